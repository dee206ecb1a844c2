/** Whether a text fits a pattern in which `*` stands for any text and, where asked, `?` for any one character. */
export function fits(pattern: string, text: string, { anyOne = false } = {}): boolean {
  const parts = pattern.toLowerCase().split(/\*+/);
  const source = parts.map((part) => quote(part, anyOne)).join('[^]*?');
  return new RegExp(`^${source}$`).test(text.toLowerCase());
}

function quote(text: string, anyOne: boolean): string {
  const quoted = text.replaceAll(/[\\^$.|?+()[\]{}/-]/g, String.raw`\$&`);
  return anyOne ? quoted.replaceAll(String.raw`\?`, '[^]') : quoted;
}
