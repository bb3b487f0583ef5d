import type { OperationCases } from "./case.ts";
import { reads } from "./case.ts";

export const auditCases: OperationCases = {
  listAuditEvents: reads((_organisation, { txn, usr }) => ({ query: { transaction_id: txn, user_id: usr, limit: "1" } })),
  getAuditEvent: reads((_organisation, { evt }) => ({ id: evt })),
  getAuditEventProof: { ...reads((_organisation, { evt }) => ({ id: evt })), media: "text/plain; charset=utf-8" },
  getAuditCheckpoint: { ...reads(() => ({ query: { witnessed: "false" } })), media: "text/plain; charset=utf-8" },
  getAuditConsistency: reads(() => ({ query: { from: "1", to: "2" } })),
  getAuditKey: reads(() => ({})),
  listInstallationEvents: reads(() => ({ query: { limit: "1" } })),
  listAuditSinks: reads(() => ({})),
  getAuditTile: { ...reads(() => ({ id: "0%2F000.p%2F26" })), media: "application/octet-stream" },
};
