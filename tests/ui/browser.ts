import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium, type FrameLocator, type Page } from 'playwright-core';

/** Debian's. */
const program = '/usr/bin/chromium';
const imagesDirectory = fileURLToPath(new URL('../../docs/images/ui', import.meta.url));
/** `npm run screenshots`: the pictures of the documentation are taken anew. */
const keepsPictures = process.env['LONGHAUL_SCREENSHOTS'] === '1';
/** In pixels. */
const width = 1700;
const patienceMs = 60_000;

/** Where something is to be seen: a page, or what the web UI shows in a frame of its own. */
export type Place = Page | FrameLocator;

export interface Browser {
  page: Page;
  /** Of a workflow whose details are open. */
  summary: FrameLocator;
  /** Addresses outside of this machine that a page asked for; none was answered. */
  askedOutside: string[];
  /** Opens a page of the web UI, with the path behind the namespace. */
  open(path: string): Promise<void>;
  /** Opens the page of a workflow that tells of it. @returns its current details */
  openDetails(run: { workflowId: string; runId: string }): Promise<FrameLocator>;
  /** Keeps what is to be seen as a picture of the documentation, when that is asked for. */
  picture(name: string, height: number): Promise<void>;
  close(): Promise<void>;
}

/**
 * A headless browser that reaches nothing but this machine.
 *
 * @param atStart JavaScript that every page runs first
 */
export async function startBrowser(uiUrl: string, atStart: string): Promise<Browser> {
  if (!existsSync(program))
    throw new Error(`${program} is missing; install Debian's chromium: bash scripts/setup.sh`);
  const browser = await chromium.launch({
    executablePath: program,
    // Tests run as root, whom Chromium's sandbox refuses.
    chromiumSandbox: false,
    args: ['--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'],
  });
  const context = await browser.newContext({
    viewport: { width, height: 1200 },
    deviceScaleFactor: 1,
    colorScheme: 'light',
    reducedMotion: 'reduce',
    locale: 'en-GB',
    timezoneId: 'UTC',
  });
  context.setDefaultTimeout(patienceMs);
  await context.addInitScript(atStart);
  const askedOutside: string[] = [];
  // Not by a route, which would take the browser its cache.
  context.on('request', (request) => {
    const { hostname, protocol } = new URL(request.url());
    if (protocol.startsWith('http') && hostname !== '127.0.0.1') askedOutside.push(request.url());
  });
  const page = await context.newPage();
  const open = async (path: string) => {
    await page.goto(`${uiUrl}/namespaces/default/${path}`, { waitUntil: 'commit' });
  };
  // Summary and current details are Markdown from outside: each stands in a frame of its own.
  const frame = (index: number) => page.locator('iframe').nth(index).contentFrame();
  return {
    page,
    summary: frame(0),
    askedOutside,
    open,
    openDetails: async ({ workflowId, runId }) => {
      await open(`workflows/${encodeURIComponent(workflowId)}/${runId}/user-metadata`);
      return frame(1);
    },
    picture: async (name, height) => {
      if (!keepsPictures) return;
      await page.setViewportSize({ width, height });
      mkdirSync(imagesDirectory, { recursive: true });
      await page.screenshot({ path: join(imagesDirectory, `${name}.png`) });
    },
    close: () => browser.close(),
  };
}

/** Waits until texts can be seen. A list of them: the cells of one row of a table. */
export async function sees(place: Place, ...texts: (string | RegExp | string[])[]): Promise<void> {
  for (const text of texts) {
    const rows = place.getByRole('row');
    const found = Array.isArray(text)
      ? text.reduce(
          (row, cell) => row.filter({ has: place.getByRole('cell', { name: cell, exact: true }) }),
          rows,
        )
      : place.getByText(text);
    await found.first().waitFor({ state: 'visible' });
  }
}
