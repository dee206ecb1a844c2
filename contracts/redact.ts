/** Cuts secrets that travel in URLs and headers: SAS and other signatures, credentials, bearer tokens. */
export function redactLine(line: string): string {
  return line
    .replace(
      /([?&](?:sig|signature|se|skoid|x-amz-[a-z-]+|token|access_token)=)[^&\s"'\\]+/gi,
      '$1[redacted]',
    )
    .replace(/(\bbearer\s+)[A-Za-z0-9._~+/=-]+/gi, '$1[redacted]')
    .replace(/(\w+:\/\/[^/\s:@"]+:)[^@\s/"]+@/g, '$1[redacted]@');
}
