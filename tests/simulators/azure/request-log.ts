/** The services there are: Entra ID, Resource Manager, blob storage, the metadata service of a VM. */
export type ServiceName = 'entra' | 'arm' | 'blob' | 'metadata';

/** One request as it was answered. Holds no query but api-version and comp: a query can hold a signature. */
export interface LoggedRequest {
  service: ServiceName;
  method: string;
  path: string;
  apiVersion: string | null;
  /** `comp` of a blob request, such as `pagelist`. */
  comp: string | null;
  range: string | undefined;
  /** 0 while there is no answer, and when there never was one. */
  readonly status: number;
}

/** What was asked, for tests that count. */
export class RequestLog {
  readonly all: LoggedRequest[] = [];

  add(request: LoggedRequest): LoggedRequest {
    this.all.push(request);
    return request;
  }

  /** Those of a service, of a method and a path where given. */
  of(service: ServiceName, method?: string, path?: RegExp): LoggedRequest[] {
    return this.all.filter(
      (request) =>
        request.service === service &&
        (method === undefined || request.method === method) &&
        (path?.test(request.path) ?? true),
    );
  }

  clear(): void {
    this.all.length = 0;
  }
}
