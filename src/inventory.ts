import { authentications, beneficiaries } from "#authentications/index.ts";
import { approvals } from "#controls/index.ts";
import { factorSecrets } from "#factors/index.ts";
import { users } from "#identity/index.ts";
import { PARTITIONS, partitionName } from "#kernel/ids.ts";
import { accounts, holds, transactions } from "#ledger/index.ts";
import { operators } from "#operators/index.ts";
import { paymentActions, reviewNotes } from "#payments/index.ts";
import { sealedPlace } from "#vault/index.ts";
import type { AlgorithmUse, SealedPlace } from "#vault/index.ts";
import { webhookEndpoints } from "#webhooks/index.ts";

/** Where sealed texts lie that have to be sealed again after a rotation. Kept replies expire under the key they have. */
export const sealedPlaces: readonly SealedPlace[] = [
  sealedPlace({ collection: users, fields: ["profile"], index: "OrganisationUsersIndex", hashes: (id) => [id] }),
  sealedPlace({ collection: operators, fields: ["profile"], index: "OrganisationOperatorsIndex", hashes: (id) => [id] }),
  sealedPlace({ collection: factorSecrets, fields: ["secret"], index: "OrganisationFactorSecretsIndex", hashes: (id) => [id] }),
  sealedPlace({ collection: accounts, fields: ["metadata"], index: "OrganisationAccountsIndex", hashes: (id) => [id] }),
  sealedPlace({ collection: authentications, fields: ["approval"], index: "OrganisationAuthenticationsIndex", hashes: (id) => [id] }),
  sealedPlace({ collection: beneficiaries, fields: ["name"], index: "OrganisationBeneficiariesIndex", hashes: (id) => [id] }),
  sealedPlace({ collection: paymentActions, fields: ["context"], index: "OrganisationPaymentActionsIndex", hashes: (id) => [id] }),
  sealedPlace({ collection: holds, fields: ["metadata"], index: "OrganisationHoldsIndex", hashes: (id) => [id] }),
  sealedPlace({ collection: reviewNotes, fields: ["text"], index: "OrganisationReviewNotesIndex", hashes: (id) => [id] }),
  sealedPlace({ collection: approvals, fields: ["payload"], index: "OrganisationApprovalsIndex", hashes: (id) => [id] }),
  sealedPlace({
    collection: webhookEndpoints,
    fields: ["secret", "previous_secret"],
    index: "OrganisationWebhookEndpointsIndex",
    hashes: (id) => [id],
  }),
  sealedPlace({
    collection: transactions,
    fields: ["metadata"],
    hashes: (id) => Array.from({ length: PARTITIONS }, (_, n) => partitionName(id, n)),
  }),
];

/** What other rooms use, for the inventory of cryptography. */
export const algorithms: readonly AlgorithmUse[] = [
  { algorithm: "ES256, EdDSA, RS256", use: "signatures of passkeys", strength_bits: 112, standard: "WebAuthn Level 3, RFC 9053" },
  { algorithm: "Argon2id", use: "passwords of operators", strength_bits: 128, standard: "RFC 9106" },
  { algorithm: "HMAC-SHA-1", use: "one-time codes of authenticator apps", strength_bits: 128, standard: "RFC 6238" },
  { algorithm: "SHA-256", use: "recognition of API keys, which are random texts of 256 bits", strength_bits: 256, standard: "FIPS 180-4" },
  { algorithm: "Ed25519", use: "signatures of the audit log's checkpoints", strength_bits: 128, standard: "RFC 8032" },
  { algorithm: "HMAC-SHA-256", use: "signatures of webhooks", strength_bits: 128, standard: "RFC 2104, Standard Webhooks" },
  { algorithm: "SHA-256", use: "checksums of audit events, fingerprints of requests", strength_bits: 128, standard: "FIPS 180-4" },
  { algorithm: "TLS 1.2, TLS 1.3", use: "transport, where the listener speaks TLS", strength_bits: 128, standard: "RFC 5246, RFC 8446" },
];
