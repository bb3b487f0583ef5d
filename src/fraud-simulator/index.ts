export type { FraudPattern } from "./patterns.ts";
export { type SimulatedPayment, type SimulationOptions, simulateFraud } from "./simulate.ts";
