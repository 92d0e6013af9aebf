// Looks at the page of `holdfast/page` in a real browser (Chromium of this machine, or of CHROMIUM): 10,000 locks, names that are markup, sorting, filtering, narrow
// windows, the keyboard alone, what a screen reader is given, taking a lock away, what the content security policy stops, and another host name. Not part of the tests, as it needs a browser. After a build:
// `pnpm check:page`; `--pictures` writes the screenshots of the documentation besides.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const { createLockManager } = await import('../packages/core/dist/index.js');
const { createMemoryBackend, createMemoryStore } = await import('../packages/core/dist/memory/index.js');
const { createLockPage, toNodeListener } = await import('../packages/holdfast/dist/page/index.js');

const PATIENCE_MS = 60_000;
const LOCKS = 10_000;
const MARKUP = '<img src=x onerror="document.title=\'pwned\'">\u202e&amp;';

const manager = createLockManager(createMemoryBackend({ store: createMemoryStore() }), { label: 'worker-7', ttlMs: 600_000 });
// Before anything happens: what a process knows of itself begins with its page.
const page = createLockPage(manager, { allowRelease: true });
const names = Array.from({ length: LOCKS }, (_, index) => `orders:${String(index).padStart(5, '0')}`);
await manager.tryAcquireEach(names);
await manager.acquire(MARKUP, { label: MARKUP.repeat(15) });
await manager.semaphore('connections', { permits: 8 }).acquire({ permits: 3 });
const waiting = Array.from({ length: 4 }, () => manager.acquire('orders:00042', { waitMs: 600_000 }).catch(() => null));
await manager.acquire('orders:00041', { waitMs: 700 }).catch(() => null);
const lost = await manager.acquire('report');
await manager.forceRelease('report');
assert.equal(lost.isHeld, false);

const server = createServer(toNodeListener(page)).listen(0, '127.0.0.1');
await once(server, 'listening');
const address = `http://127.0.0.1:${server.address().port}/`;

const folder = mkdtempSync(join(tmpdir(), 'holdfast-page-'));
const browser = spawn(
  process.env.CHROMIUM ?? 'chromium',
  [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    '--no-first-run',
    '--remote-debugging-pipe',
    `--user-data-dir=${folder}`,
    '--host-resolver-rules=MAP evil.example 127.0.0.1',
  ],
  { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] },
);
browser.on('error', (error) => {
  console.error(`no browser: ${error.message}; install Debian's chromium, or name one by CHROMIUM`);
  process.exit(1);
});
const [, , , toBrowser, fromBrowser] = browser.stdio;
const calls = new Map();
const heard = [];
let received = '';
let sent = 0;
fromBrowser.setEncoding('utf8').on('data', (text) => {
  received += text;
  const messages = received.split('\0');
  received = messages.pop();
  for (const message of messages.map((each) => JSON.parse(each))) {
    if (message.id === undefined) heard.push(message);
    else if (message.error === undefined) calls.get(message.id).resolve(message.result);
    else calls.get(message.id).reject(new Error(message.error.message));
  }
});

function call(method, params = {}, sessionId) {
  sent += 1;
  const id = sent;
  toBrowser.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
  return new Promise((resolve, reject) => calls.set(id, { resolve, reject }));
}

const { targetId } = await call('Target.createTarget', { url: 'about:blank' });
const { sessionId } = await call('Target.attachToTarget', { targetId, flatten: true });
const tab = (method, params) => call(method, params, sessionId);
await tab('Page.enable');
await tab('Log.enable');
await tab('Runtime.enable');

/** What an expression is worth on the page. */
async function valueOf(expression) {
  const { result, exceptionDetails } = await tab('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
  assert.equal(exceptionDetails, undefined, exceptionDetails?.exception?.description);
  return result.value;
}

async function until(what, expression) {
  const end = Date.now() + PATIENCE_MS;
  // oxlint-disable-next-line no-await-in-loop
  while (!(await valueOf(expression))) {
    assert.ok(Date.now() < end, `not so in time: ${what}`);
    // oxlint-disable-next-line no-await-in-loop
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** As a person does who presses one key. */
async function press(key) {
  const text = key === 'Enter' ? '\r' : key.length === 1 ? key : undefined;
  const code = { Tab: 9, Enter: 13, Escape: 27, '/': 191 }[key];
  await tab('Input.dispatchKeyEvent', { type: 'keyDown', key, text, windowsVirtualKeyCode: code });
  await tab('Input.dispatchKeyEvent', { type: 'keyUp', key, windowsVirtualKeyCode: code });
}

async function picture(name, scheme, { width = 1200, height = 900, isKept = true } = {}) {
  await tab('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: false });
  await tab('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] });
  const { data } = await tab('Page.captureScreenshot', { format: 'png' });
  if (isKept && process.argv.includes('--pictures'))
    writeFileSync(new URL(`../docs/pictures/${name}.png`, import.meta.url), Buffer.from(data, 'base64'));
}

const rows = `document.querySelectorAll('#rows tr')`;
const cell = (row, column) => `${rows}[${row}]?.cells[${column}]?.textContent`;
const set = (id, value, event) =>
  valueOf(
    `(() => { const it = document.getElementById('${id}'); it.value = ${JSON.stringify(value)}; it.dispatchEvent(new Event('${event}', { bubbles: true })); })()`,
  );

try {
  await tab('Page.navigate', { url: address });
  await until(
    '200 rows of all are shown',
    `${rows}.length === 200 && document.getElementById('summary').textContent.includes('of ${LOCKS + 2} names')`,
  );
  await set('sort', 'waiting', 'change');
  await until('the lock with waiters comes first', `${cell(0, 0)} === 'orders:00042' && ${cell(0, 7)} === '4'`);
  await picture('page-light', 'light');
  await picture('page-dark', 'dark');
  console.log('ok  10,000 locks, sorted');

  for (const width of [390, 1280]) {
    for (const scheme of ['light', 'dark']) await picture(`page-${width}-${scheme}`, scheme, { width, isKept: false });
    const cut = `[...document.querySelectorAll('#head th')].filter((head) => head.getBoundingClientRect().right > innerWidth).length`;
    assert.equal(await valueOf(cut), 0, `columns are cut at ${width} px`);
    const tallest = `Math.max(...[...${rows}].map((row) => row.getBoundingClientRect().height))`;
    assert.ok((await valueOf(tallest)) < 140, `a long name or label fills the window at ${width} px`);
    assert.equal(await valueOf('document.documentElement.scrollWidth <= innerWidth'), true, `the page is wider than ${width} px`);
  }
  console.log('ok  as wide as the window, on a telephone too');

  // By the keyboard alone: / goes to the filter, Tab to the rows, Enter opens one, Escape closes it and the focus is where it was.
  await press('/');
  assert.equal(await valueOf('document.activeElement.id'), 'filter');
  for (let at = 0; at < 20 && !(await valueOf(`document.activeElement.closest('#rows') !== null`)); at += 1) await press('Tab');
  assert.equal(await valueOf('document.activeElement.textContent'), 'orders:00042');
  await press('Enter');
  await until(
    'Enter opens the lock',
    `document.getElementById('detail').open && document.getElementById('detail-state').textContent.includes('4 waiting')`,
  );
  assert.equal(await valueOf(`document.activeElement.closest('dialog') !== null`), true);
  await press('Escape');
  await until('Escape closes it', `!document.getElementById('detail').open`);
  assert.equal(await valueOf('document.activeElement.textContent'), 'orders:00042');
  console.log('ok  by the keyboard alone');

  const { nodes } = await tab('Accessibility.getFullAXTree');
  const seen = nodes.filter(({ ignored }) => !ignored).map(({ role, name }) => ({ role: role?.value, name: name?.value ?? '' }));
  const nameless = seen.filter(
    ({ role, name }) => ['button', 'searchbox', 'combobox', 'table', 'region', 'image', 'columnheader'].includes(role) && name === '',
  );
  assert.deepEqual(nameless, [], 'what a screen reader cannot name');
  assert.equal(seen.filter(({ role }) => role === 'columnheader').length, 15);
  for (const named of ['Locks that are held', 'Last losses', 'Name or holder', 'This process alone']) {
    assert.ok(
      seen.some(({ name }) => name === named),
      `${named} has no name for a screen reader`,
    );
  }
  console.log('ok  all has a name for a screen reader');

  await set('filter', 'onerror', 'input');
  await until('one row fits', `${rows}.length === 1 && document.getElementById('summary').textContent.includes('memory: 1 of')`);
  assert.equal(await valueOf(cell(0, 0)), MARKUP.replace('\u202e', '\\u{202e}'));
  assert.equal(await valueOf(`document.querySelectorAll('#rows img').length`), 0);
  await valueOf(`${rows}[0].cells[0].firstChild.click()`);
  await until('the lock is shown by itself', `document.getElementById('detail-state').textContent.startsWith('Held')`);
  assert.equal(await valueOf(`document.querySelectorAll('dialog img').length`), 0);
  assert.equal(await valueOf('document.title'), 'Locks');
  await picture('page-lock', 'light', { width: 800, height: 600 });
  console.log('ok  names and labels are text');

  await valueOf(`document.getElementById('take').click()`);
  assert.equal(await valueOf(`document.activeElement.id`), 'sure');
  await valueOf(`document.getElementById('sure').click()`);
  await until('it is free', `document.getElementById('detail-state').textContent.startsWith('Free')`);
  assert.equal((await manager.inspect(MARKUP)).held, false);
  console.log('ok  taken away after a question');

  await valueOf(`document.getElementById('detail-close').click()`);
  assert.match(await valueOf(`document.getElementById('losses').textContent`), /report.*forced/s);
  assert.match(await valueOf(`document.getElementById('waits-text').textContent`), /1 wait has ended/);
  console.log('ok  this process’s losses and waits');

  assert.equal(await valueOf(`fetch('https://example.com/').then(() => 'sent', () => 'stopped')`), 'stopped');
  assert.equal(
    await valueOf(`(() => { try { document.body.innerHTML = '<b>x</b>'; return 'written'; } catch { return 'stopped'; } })()`),
    'stopped',
  );
  const own = heard.filter(
    ({ method, params }) =>
      method === 'Log.entryAdded' && params.entry.level === 'error' && !/example\.com|TrustedHTML/.test(params.entry.text),
  );
  assert.deepEqual(
    own.map(({ params }) => params.entry.text).filter((text) => !text.includes('favicon')),
    [],
  );
  const broken = heard.filter(({ method }) => method === 'Runtime.exceptionThrown');
  assert.deepEqual(broken, []);
  console.log('ok  the policy stops what is not the page’s own');

  await tab('Page.navigate', { url: address.replace('127.0.0.1', 'evil.example') });
  await until('another name for this machine is refused', `document.body?.textContent.includes('not to be had under this host name')`);
  console.log('ok  another host name is refused');
} finally {
  browser.kill('SIGKILL');
  await once(browser, 'exit').catch(() => {});
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  page.close();
  server.close();
  server.closeAllConnections();
  await manager.close();
  await Promise.all(waiting);
}
