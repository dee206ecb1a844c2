import { createHmac, randomBytes } from 'node:crypto';

/** A bearer token that was issued: for whom and until when. */
export interface IssuedToken {
  clientId: string;
  objectId: string;
  /** Resource it is for, such as `https://management.azure.com`, without a slash at its end. */
  audience: string;
  expiresAtMs: number;
}

/** Issues access tokens that look like Entra ID's, and knows those it issued. */
export class Tokens {
  readonly #key = randomBytes(32);
  readonly #issued = new Map<string, IssuedToken>();

  issue(token: Omit<IssuedToken, 'expiresAtMs'>, tenant: string, seconds: number): string {
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      aud: token.audience,
      iss: `https://sts.windows.net/${tenant}/`,
      iat: now,
      nbf: now,
      exp: now + seconds,
      appid: token.clientId,
      appidacr: '1',
      idtyp: 'app',
      oid: token.objectId,
      tid: tenant,
      ver: '1.0',
      uti: randomBytes(9).toString('base64url'),
    };
    const text = [{ typ: 'JWT', alg: 'HS256' }, claims]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.');
    const jwt = `${text}.${createHmac('sha256', this.#key).update(text).digest('base64url')}`;
    this.#issued.set(jwt, { ...token, expiresAtMs: (now + seconds) * 1000 });
    return jwt;
  }

  find(jwt: string): IssuedToken | undefined {
    return this.#issued.get(jwt);
  }

  /** Ends every token now, as a restart of Entra's keys or a long night does. */
  expireAll(): void {
    for (const token of this.#issued.values()) token.expiresAtMs = 0;
  }
}
