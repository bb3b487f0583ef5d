export { KmsUnavailableError } from "./kms.ts";
export type { EncryptionContext, GeneratedDataKey, Kms } from "./kms.ts";
export { openLocalKms } from "./local-kms.ts";
export type { Binding, DataKey, SealBreak, Sealed, Sealer } from "./seal.ts";
export { createVault } from "./vault.ts";
export type { Vault, VaultDeps } from "./vault.ts";
export { metadataOpener, openMetadata, sealMetadata, sealOptional } from "./metadata.ts";
export type { Metadata } from "./metadata.ts";
