import { simulateFraud } from "#fraud-simulator/index.ts";
import { DATA_START, type Payments } from "./read-data.ts";

/** As many days as the handbook's data have, so that every week can be asked for. */
const SIMULATION = { seed: 1, customers: 1500, payees: 1000, days: 136, startAt: DATA_START };

/** Numbers for texts, in the order in which they come. */
function numbering(): (text: string) => number {
  const known = new Map<string, number>();
  return (text) => {
    const number = known.get(text) ?? known.size;
    known.set(text, number);
    return number;
  };
}

/** The project's own simulated payments in the form of the handbook's: who pays whom, when, how much, and the truth. */
export function simulatedPayments(options = SIMULATION): Payments {
  const payer = numbering();
  const payee = numbering();
  const rows = Array.from(simulateFraud(options), ({ payment, fraud }) => ({
    seconds: Math.floor((payment.at - DATA_START) / 1000),
    customer: payer(payment.payer),
    terminal: payee(payment.payee),
    amount: payment.amount,
    fraud: fraud === undefined ? 0 : 1,
  }));
  return {
    seconds: Float64Array.from(rows, (row) => row.seconds),
    customers: Uint32Array.from(rows, (row) => row.customer),
    terminals: Uint32Array.from(rows, (row) => row.terminal),
    amounts: Uint32Array.from(rows, (row) => row.amount),
    frauds: Uint8Array.from(rows, (row) => row.fraud),
  };
}
