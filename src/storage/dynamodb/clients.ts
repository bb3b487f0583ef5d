import { DynamoDBClient, type DynamoDBClientConfig } from "@aws-sdk/client-dynamodb";
import { DynamoDBStreamsClient } from "@aws-sdk/client-dynamodb-streams";
import { createWire, type Wire } from "./wire.ts";

export type Credentials = NonNullable<DynamoDBClientConfig["credentials"]>;

export interface ClientOptions {
  readonly region: string;
  /** Another service than the region's: DynamoDB Local, a VPC endpoint. */
  readonly endpoint?: string;
  /** Left out: found as every AWS tool finds them. */
  readonly credentials?: Credentials;
  readonly client?: DynamoDBClient;
}

export interface Clients {
  /** For what is done once: tables. */
  readonly client: DynamoDBClient;
  readonly wire: Wire;
  readonly streamsWire: Wire;
  readonly close: () => void;
}

/** Room for the commits in flight, and for reads beside them. */
const SOCKETS_MAX = 64;
const CONNECT_MS = 1_000;
/** For the SDK's own requests about tables; data requests bring their own deadlines. */
const REQUEST_MS = 10_000;

/** Opens the SDK client and the two wires that share its credentials and sockets. */
export function openClients(options: ClientOptions): Clients {
  const { region, endpoint, credentials } = options;
  const agent = { keepAlive: true, maxSockets: SOCKETS_MAX };
  const client =
    options.client ??
    new DynamoDBClient({
      region,
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(credentials === undefined ? {} : { credentials }),
      maxAttempts: 3,
      requestHandler: {
        connectionTimeout: CONNECT_MS,
        requestTimeout: REQUEST_MS,
        throwOnRequestTimeout: true,
        httpAgent: agent,
        httpsAgent: agent,
      },
    });
  const wireTo = (url: URL, api: Parameters<typeof createWire>[0]["api"]): Wire => createWire({ client, region, endpoint: url, api });
  return {
    client,
    wire: wireTo(endpoint === undefined ? client.config.endpointProvider({ Region: region }).url : new URL(endpoint), "DynamoDB_20120810"),
    streamsWire: wireTo(endpoint === undefined ? streamsUrl(region) : new URL(endpoint), "DynamoDBStreams_20120810"),
    close: () => {
      if (options.client === undefined) client.destroy();
    },
  };
}

/** Streams are served under a host of their own. */
function streamsUrl(region: string): URL {
  const client = new DynamoDBStreamsClient({ region });
  try {
    return client.config.endpointProvider({ Region: region }).url;
  } finally {
    client.destroy();
  }
}
