/** What can be said when the simulator is started; what is in {@link Settings} also later, at any time. */
export interface AzureOptions extends Partial<Settings> {
  tenant?: string;
  clientId?: string;
  clientSecret?: string;
  subscription?: string;
  /**
   * `front`: SAS URLs lead to a TLS server before Azurite, which adds what Azurite lacks (paging and diffs of
   * page lists) and meets faults and latency. `azurite`: they lead to Azurite itself, for measurements.
   */
  blobEndpoint?: 'front' | 'azurite';
}

export interface Settings {
  /** Items on a page of a listing. Lists of VMs were seen to have 200 a page; others are not documented. */
  pageSize: number;
  /** How long a long-running operation takes. With 0 it has ended by the first poll. */
  operationMs: number;
  /** Retry-After of accepted operations; 0 leaves the interval to the client. */
  retryAfterSeconds: number;
  /** Added to every request of every service. */
  latencyMs: number;
  /** Lifetime of access tokens that are issued from now on. */
  tokenSeconds: number;
  /** RBAC actions that the account's role has; `*` stands for any text. */
  allowedActions: string[];
  /** RBAC actions that are not allowed all the same, such as `Microsoft.Compute/snapshots/write`; `*` stands for any text. */
  deniedActions: string[];
  /** How long the background copy of snapshots of Premium SSD v2 and Ultra disks takes. */
  backgroundCopyMs: number;
  /** Ranges on a page of a page list; the service gives at most 10,000. */
  pageListSize: number;
}

export const defaultSettings: Settings = {
  pageSize: 200,
  operationMs: 0,
  retryAfterSeconds: 1,
  latencyMs: 0,
  tokenSeconds: 3599,
  allowedActions: ['*'],
  deniedActions: [],
  backgroundCopyMs: 0,
  pageListSize: 10_000,
};
