import { RestError, createHttpHeaders, createPipelineRequest } from '@azure/core-rest-pipeline';
import { describe, expect, it } from 'vitest';
import { azureError } from '../../../../activities/sources/azure/errors.ts';
import { messageOf } from '../../../../contracts/errors.ts';

const request = createPipelineRequest({ url: 'https://management.azure.com/x' });

/** What the pipeline throws for such an answer. */
function answered(status: number, body: unknown): RestError {
  const bodyAsText = typeof body === 'string' ? body : JSON.stringify(body);
  const headers = createHttpHeaders({ 'x-ms-request-id': 'request-1' });
  return new RestError(`HTTP ${status}`, {
    statusCode: status,
    request,
    response: { status, headers, request, bodyAsText },
  });
}

describe('an error of Azure', () => {
  it('about a linked resource names that one', () => {
    const message =
      "The client 'a' with object id 'b' has permission to perform action 'Microsoft.Compute/snapshots/write' on scope '/s'; however, it does not have permission to perform action(s) 'Microsoft.Compute/disks/beginGetAccess/action' on the linked scope(s) '/disks/d' (respectively) or the linked scope(s) are invalid.";
    const error = azureError(
      answered(403, { error: { code: 'LinkedAuthorizationFailed', message } }),
      'make it',
    );
    expect(error.code).toBe('AZURE_DENIED');
    expect(error.remedy).toContain('allows Microsoft.Compute/disks/beginGetAccess/action on /disks/d.');
  });

  it('of a lock or a policy is not taken for a missing role', () => {
    const error = azureError(
      answered(403, { error: { code: 'RequestDisallowedByPolicy', message: 'No.' } }),
      'make it',
    );
    expect(error).toMatchObject({
      code: 'AZURE_DENIED',
      details: { azureCode: 'RequestDisallowedByPolicy' },
    });
    expect(error.remedy).toContain('lock or policy');
  });

  it('never has a signature in it, nor has its cause', () => {
    const url = 'https://md-x.z1.blob.storage.azure.net/d/abcd?sv=2018-03-28&sr=b&sig=geheim%3D';
    const error = azureError(
      answered(409, { error: { code: 'Conflict', message: `Access to ${url} is given.` } }),
      'end it',
    );
    expect(error.found).toContain('md-x.z1.blob.storage.azure.net/d/abcd');
    expect(messageOf(error)).not.toContain('geheim');
    expect(messageOf(azureError(new Error(`GET ${url} failed`), 'end it'))).not.toContain('geheim');
  });

  it('that a proxy made says its status', () => {
    const error = azureError(answered(502, '<html>Bad gateway</html>'), 'read the VM');
    expect(error).toMatchObject({ code: 'AZURE_FAILED', retryable: true });
    expect(error.found).toBe('Azure refused to read the VM: HTTP 502 (no code, HTTP 502, request request-1)');
  });

  it('that says what is asked for cannot be is not tried again', () => {
    const error = azureError(
      answered(400, { error: { code: 'InvalidParameter', message: 'Bad name.' } }),
      'make it',
    );
    expect(error).toMatchObject({ code: 'AZURE_FAILED', retryable: false });
  });

  it('is cut where it gets long', () => {
    const error = azureError(
      answered(500, { error: { code: 'X', message: 'word '.repeat(10_000) } }),
      'make it',
    );
    expect(error.found.length).toBeLessThan(800);
  });

  it.each([
    ['SELF_SIGNED_CERT_IN_CHAIN', false, /NODE_EXTRA_CA_CERTS/],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', false, /NODE_EXTRA_CA_CERTS/],
    ['ERR_TLS_CERT_ALTNAME_INVALID', false, /NODE_EXTRA_CA_CERTS/],
    ['ENOTFOUND', true, /HTTPS_PROXY/],
    ['ECONNRESET', true, /HTTPS_PROXY/],
    ['ETIMEDOUT', true, /HTTPS_PROXY/],
  ])('of the connection, %s, says what to do', (code, retryable, remedy) => {
    const error = azureError(new RestError('it failed', { code, request }), 'read the VM');
    expect(error).toMatchObject({ code: 'AZURE_FAILED', retryable });
    expect(error.remedy).toMatch(remedy);
    expect(error.found).toContain(code);
  });
});
