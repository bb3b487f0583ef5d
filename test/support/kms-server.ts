import { createCipheriv, createDecipheriv, randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** The states of a key that the tests use; AWS KMS Developer Guide, "Key states of AWS KMS keys". */
export type KeyState = "Enabled" | "Disabled" | "PendingDeletion";

interface Key {
  readonly id: string;
  readonly arn: string;
  state: KeyState;
  readonly usage: "ENCRYPT_DECRYPT" | "SIGN_VERIFY";
  readonly tags: Readonly<Record<string, string>>;
  /** Backing keys, the newest last, as the service's own rotation adds them. */
  readonly material: Buffer[];
  readonly createdAt: number;
}

/** What is done to one request instead of answering it. */
export type KmsFault =
  | { readonly kind: "error"; readonly type: string; readonly status: number }
  | { readonly kind: "latency"; readonly ms: number }
  /** The connection is cut without an answer. */
  | { readonly kind: "cut" }
  /** Nothing is ever answered. */
  | { readonly kind: "silence" };

export interface KmsServer {
  readonly endpoint: string;
  readonly region: string;
  /** Adds a key and gives its ARN. */
  addKey(options?: { readonly usage?: Key["usage"]; readonly tags?: Readonly<Record<string, string>>; readonly alias?: string }): string;
  setState(arn: string, state: KeyState): void;
  /** Rotates a key as the service does: the same ARN, new material for what is wrapped from now on. */
  rotateMaterial(arn: string): void;
  /** Asked once a request; what it gives is done to the request. */
  fault: (operation: string) => KmsFault | undefined;
  /** The operations so far, with the encryption context of each. */
  readonly calls: readonly { readonly operation: string; readonly context: Readonly<Record<string, string>> }[];
  close(): Promise<void>;
}

const REGION = "eu-central-1";
const ACCOUNT = "111122223333";
const MAX_BODY_BYTES = 64 * 1024;
const TARGET = "TrentService.";

class KmsFailure extends Error {
  readonly type: string;
  readonly status: number;
  constructor(type: string, message: string, status = 400) {
    super(message);
    this.type = type;
    this.status = status;
  }
}

type Input = Readonly<Record<string, unknown>>;

/**
 * A small AWS KMS: the AWS JSON 1.1 protocol for GenerateDataKey, Decrypt, ReEncrypt, DescribeKey and ListResourceTags with
 * the error types and HTTP codes of the API reference. It keeps what callers rely on: a ciphertext opens only unchanged,
 * under the key that made it and the very same encryption context, pair by pair, and only while the key is enabled.
 */
export async function startKmsServer(): Promise<KmsServer> {
  const keys = new Map<string, Key>();
  const aliases = new Map<string, string>();
  const calls: { operation: string; context: Readonly<Record<string, string>> }[] = [];

  const find = (name: unknown): Key => {
    if (typeof name !== "string") throw new KmsFailure("ValidationException", "KeyId is missing");
    const id = name.startsWith("alias/") ? aliases.get(name) : name.replace(/^arn:aws:kms:[^:]+:\d+:key\//, "");
    const key = id === undefined ? undefined : keys.get(id);
    if (key === undefined) throw new KmsFailure("NotFoundException", `Key '${name}' does not exist`);
    return key;
  };
  const usable = (key: Key): Key => {
    if (key.state === "Disabled") throw new KmsFailure("DisabledException", `${key.arn} is disabled.`);
    if (key.state === "PendingDeletion") throw new KmsFailure("KMSInvalidStateException", `${key.arn} is pending deletion.`);
    if (key.usage !== "ENCRYPT_DECRYPT") throw new KmsFailure("InvalidKeyUsageException", `${key.arn} key usage is ${key.usage}`);
    return key;
  };
  const wrap = (key: Key, plaintext: Uint8Array, context: Readonly<Record<string, string>>): Buffer => {
    const generation = key.material.length - 1;
    const nonce = randomBytes(12);
    const header = Buffer.concat([Buffer.of(1, generation), Buffer.from(key.id.replaceAll("-", ""), "hex"), nonce]);
    const cipher = createCipheriv("aes-256-gcm", key.material[generation] ?? randomBytes(32), nonce);
    cipher.setAAD(Buffer.concat([header, aadOf(context)]));
    return Buffer.concat([header, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  };
  const unwrap = (blob: unknown, named: unknown, context: Readonly<Record<string, string>>): { key: Key; plaintext: Buffer } => {
    const bytes = typeof blob === "string" ? Buffer.from(blob, "base64") : Buffer.alloc(0);
    const broken = new KmsFailure("InvalidCiphertextException", "");
    if (bytes.length < 46 || bytes[0] !== 1) throw broken;
    const id = bytes
      .subarray(2, 18)
      .toString("hex")
      .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
    const key = keys.get(id);
    if (key === undefined) throw broken;
    if (named !== undefined && find(named) !== key)
      throw new KmsFailure("IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation.");
    const material = usable(key).material[bytes[1] ?? 0];
    if (material === undefined) throw broken;
    const decipher = createDecipheriv("aes-256-gcm", material, bytes.subarray(18, 30), { authTagLength: 16 });
    decipher.setAAD(Buffer.concat([bytes.subarray(0, 30), aadOf(context)]));
    decipher.setAuthTag(bytes.subarray(-16));
    try {
      return { key, plaintext: Buffer.concat([decipher.update(bytes.subarray(30, -16)), decipher.final()]) };
    } catch {
      throw broken;
    }
  };

  const operations: Readonly<Record<string, (input: Input) => object>> = {
    GenerateDataKey(input) {
      const key = usable(find(input["KeyId"]));
      if (input["KeySpec"] !== "AES_256") throw new KmsFailure("ValidationException", "this server makes AES_256 keys only");
      const plaintext = randomBytes(32);
      const blob = wrap(key, plaintext, contextOf(input["EncryptionContext"]));
      return { KeyId: key.arn, Plaintext: plaintext.toString("base64"), CiphertextBlob: blob.toString("base64") };
    },
    Decrypt(input) {
      const { key, plaintext } = unwrap(input["CiphertextBlob"], input["KeyId"], contextOf(input["EncryptionContext"]));
      return { KeyId: key.arn, Plaintext: plaintext.toString("base64"), EncryptionAlgorithm: "SYMMETRIC_DEFAULT" };
    },
    ReEncrypt(input) {
      const from = unwrap(input["CiphertextBlob"], input["SourceKeyId"], contextOf(input["SourceEncryptionContext"]));
      const to = usable(find(input["DestinationKeyId"]));
      const blob = wrap(to, from.plaintext, contextOf(input["DestinationEncryptionContext"]));
      return { KeyId: to.arn, SourceKeyId: from.key.arn, CiphertextBlob: blob.toString("base64") };
    },
    DescribeKey(input) {
      const { id, arn, state, usage, createdAt } = find(input["KeyId"]);
      const spec = usage === "ENCRYPT_DECRYPT" ? "SYMMETRIC_DEFAULT" : "ECC_NIST_P256";
      return {
        KeyMetadata: {
          AWSAccountId: ACCOUNT,
          KeyId: id,
          Arn: arn,
          CreationDate: createdAt,
          Enabled: state === "Enabled",
          KeyState: state,
          KeyUsage: usage,
          KeySpec: spec,
          KeyManager: "CUSTOMER",
          Origin: "AWS_KMS",
          MultiRegion: false,
        },
      };
    },
    ListResourceTags(input) {
      const { tags } = find(input["KeyId"]);
      return { Tags: Object.entries(tags).map(([TagKey, TagValue]) => ({ TagKey, TagValue })), Truncated: false };
    },
  };

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      const failure = error instanceof KmsFailure ? error : new KmsFailure("KMSInternalException", "", 500);
      reply(response, failure.status, { __type: failure.type, message: failure.message });
    });
  });

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const target = String(request.headers["x-amz-target"] ?? "");
    const operation = target.startsWith(TARGET) ? target.slice(TARGET.length) : "";
    const text = await bodyOf(request);
    const perform = Object.hasOwn(operations, operation) ? operations[operation] : undefined;
    if (perform === undefined) throw new KmsFailure("UnknownOperationException", "", 404);
    if (!/^AWS4-HMAC-SHA256 Credential=.+, ?SignedHeaders=.+, ?Signature=[0-9a-f]{64}$/.test(request.headers.authorization ?? ""))
      throw new KmsFailure("MissingAuthenticationTokenException", "Missing Authentication Token", 400);
    let input: Input;
    try {
      input = JSON.parse(text) as Input;
    } catch {
      throw new KmsFailure("SerializationException", "");
    }
    calls.push({ operation, context: contextOf(input["EncryptionContext"] ?? input["SourceEncryptionContext"]) });
    const fault = kms.fault(operation);
    if (fault?.kind === "error") throw new KmsFailure(fault.type, "injected", fault.status);
    if (fault?.kind === "silence") return;
    if (fault?.kind === "cut") {
      request.socket.destroy();
      return;
    }
    if (fault?.kind === "latency") await sleep(fault.ms);
    reply(response, 200, perform(input));
  };

  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const kms: KmsServer = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    region: REGION,
    addKey({ usage = "ENCRYPT_DECRYPT", tags = {}, alias } = {}) {
      const id = randomUUID();
      const arn = `arn:aws:kms:${REGION}:${ACCOUNT}:key/${id}`;
      keys.set(id, { id, arn, state: "Enabled", usage, tags, material: [randomBytes(32)], createdAt: Math.floor(Date.now() / 1000) });
      if (alias !== undefined) aliases.set(alias, id);
      return arn;
    },
    setState(arn, state) {
      find(arn).state = state;
    },
    rotateMaterial(arn) {
      find(arn).material.push(randomBytes(32));
    },
    fault: () => undefined,
    calls,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return kms;
}

/** The settings and credentials that let a client find this server as it finds AWS. */
export function kmsEnvironment(server: KmsServer): Record<string, string> {
  return { AWS_REGION: server.region, AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test" };
}

function contextOf(value: unknown): Readonly<Record<string, string>> {
  const context = value ?? {};
  if (typeof context !== "object" || Array.isArray(context) || !Object.values(context).every((one) => typeof one === "string"))
    throw new KmsFailure("SerializationException", "");
  return context as Record<string, string>;
}

/** Pairs in one order, each with its lengths, so that no two contexts have the same bytes. */
function aadOf(context: Readonly<Record<string, string>>): Buffer {
  const pairs = Object.entries(context).sort(([a], [b]) => (a < b ? -1 : 1));
  return Buffer.from(JSON.stringify(pairs), "utf8");
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request as AsyncIterable<Buffer>) {
    text += chunk.toString("utf8");
    if (text.length > MAX_BODY_BYTES) throw new KmsFailure("ValidationException", "the request is too large");
  }
  return text;
}

function reply(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/x-amz-json-1.1", "x-amzn-requestid": randomUUID() });
  response.end(JSON.stringify(body));
}
