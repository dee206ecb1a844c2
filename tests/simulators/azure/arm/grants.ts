import type { Grant } from './model.ts';

/** The SAS of something that can be exported which have not ended. */
export const activeGrants = ({ grants }: { grants: Grant[] }): Grant[] =>
  grants.filter(({ expiresAtMs }) => expiresAtMs > Date.now());

export const hasActiveGrant = (exported: { grants: Grant[] }): boolean => activeGrants(exported).length > 0;
