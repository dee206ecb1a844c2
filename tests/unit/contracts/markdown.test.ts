import { describe, expect, it } from 'vitest';
import { prose, table, text } from '../../../contracts/markdown.ts';
import { detailsTable } from '../../../workflows/details-table.ts';

describe('Markdown made of text from outside', () => {
  it('has no markup that the text brought with it', () => {
    expect(text('<img src=x>\n# [a](b) *c*')).toBe('\\<img src=x\\> \\# \\[a\\](b) \\*c\\*');
    expect(table(['VM'], [['a|b']])).toBe('| VM |\n| --- |\n| a\\|b |');
  });

  it('keeps what is to be typed in prose, and nothing else', () => {
    expect(prose('Run `longhaul doctor --all`; then <retry>')).toBe(
      'Run `longhaul doctor --all`; then \\<retry\\>',
    );
    expect(prose('a stray ` and <b>')).toBe('a stray \\` and \\<b\\>');
  });

  it('has tables for the web UI whose cells stand apart, heads above them', () => {
    expect(detailsTable(['VM', 'State'], [['web01', 'parked']])).toBe(
      '| VM\u2002 | State |\n| :--- | :--- |\n| web01\u2002 | parked |',
    );
  });
});
