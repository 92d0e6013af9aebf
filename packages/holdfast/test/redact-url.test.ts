import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { redactUrl, scrubFailure, scrubUrl } from '../src/redact-url.js';

describe('redactUrl', () => {
  it.each([
    ['redis://localhost:6379', 'redis://localhost:6379'],
    ['redis://localhost:6379/2', 'redis://localhost:6379/2'],
    ['REDISS://user:pass@h', 'rediss://***@h'],
    ['redis://:pass@h:1', 'redis://***@h:1'],
    ['redis+cluster://user:p@ss@h1:1,h2:2', 'redis+cluster://***@h1:1,h2:2'],
    ['redis+cluster://u:p@h1:1,u:p@h2:2', 'redis+cluster://***@h2:2'],
    ['redis+sentinel://u:p@[::1]:26379,[fe80::1]/mymaster/0', 'redis+sentinel://***@[::1]:26379,[fe80::1]/mymaster/0'],
    ['redis://u:a/b?c#d@h:1/0', 'redis://***@h:1/0'],
    ['redis://h?password=secret', 'redis://h?***'],
    ['redis://h#secret', 'redis://h#***'],
    // The @ is missing: what follows is no host and port, so it may be the password.
    ['redis://:hunter2:', 'redis://***'],
    ['redis://user:hunter2', 'redis://***'],
    // No host has a part so long, and no database such a name.
    [`redis://${'Q'.repeat(64)}`, 'redis://***'],
    [`redis://${'h:1,'.repeat(300)}h:1`, 'redis://***'],
    [`redis://h/${'Q'.repeat(129)}`, 'redis://h/***'],
    ['memory:', 'memory:'],
    ['memory:orders', 'memory:orders'],
    ['no scheme', '***'],
    ['', '***'],
  ])('shows %s as %s', (url, shown) => {
    expect(redactUrl(url)).toBe(shown);
  });

  // Letters that no other part of the URL has, mixed with whatever has a meaning in URLs.
  const password = fc
    .tuple(
      fc.constantFrom('Q', 'Z'),
      fc.string({ unit: fc.constantFrom('Q', 'Z', '@', '/', '?', '#', ':', '%', ',', '&', '=', ' ', '[', 'é', '😀'), maxLength: 30 }),
    )
    .map((parts) => parts.join(''));
  const scheme = fc.constantFrom('redis', 'rediss', 'redis+cluster', 'redis+sentinel', 'acme');
  const hosts = fc.constantFrom('h', 'h:1', 'h1:1,h2:2', '[::1]:6379', '');
  const tail = fc.constantFrom('', '/0', '/0?prefix=x', '?fair=true', '#');

  it('never shows a letter of a password, however little of it was escaped', () => {
    fc.assert(
      fc.property(scheme, fc.constantFrom('', 'user'), password, hosts, tail, (name, user, secret, host, rest) => {
        expect(redactUrl(`${name}://${user}:${secret}@${host}${rest}`)).not.toMatch(/[QZé😀]/u);
      }),
      { numRuns: 2000 },
    );
  });

  it('never shows the value of an option', () => {
    fc.assert(
      fc.property(scheme, hosts, password, (name, host, secret) => {
        expect(redactUrl(`${name}://${host}/0?password=${encodeURIComponent(secret)}`)).not.toMatch(/[QZ]/);
      }),
    );
  });

  it('never throws, and shows its own output as it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(redactUrl(redactUrl(text))).toBe(redactUrl(text));
      }),
    );
  });

  it('takes the secrets of a URL out of a foreign message', () => {
    fc.assert(
      fc.property(scheme, password, (name, secret) => {
        const url = `${name}://user:${encodeURIComponent(secret)}@h:1/0?token=${encodeURIComponent(secret)}`;
        const message = `cannot open ${url}: wrong password ${secret} for ${encodeURIComponent(secret)}`;
        expect(scrubUrl(message, url)).not.toMatch(/[QZ]/);
      }),
    );
  });

  it('takes out a secret that is too large for a pattern, and never throws', () => {
    const secret = 'Q$&('.repeat(15_000);
    expect(scrubUrl(`wrong password ${secret}!`, `acme://u:${secret}@h`)).toBe('wrong password ***!');
    for (const url of [`acme://${'Q'.repeat(100_000)}`, `acme://${'Q,'.repeat(30_000)}`, `${'Q'.repeat(100_000)}://h`]) {
      expect(redactUrl(url).length).toBeLessThan(60_100);
      expect(redactUrl(redactUrl(url))).toBe(redactUrl(url));
    }
    expect(redactUrl(`acme://${'Q'.repeat(100_000)}`)).toBe('acme:***');
  });

  it('leaves our words alone in what a store says, and nothing of the store’s', () => {
    const url = 'acme://u:acme@h';
    expect(scrubFailure('the acme backend failed: acme failed', url, false)).toBe('the acme backend failed: *** failed');
    expect(scrubFailure('the acme backend did not answer within 2000 ms', url, false)).toBe(
      'the acme backend did not answer within 2000 ms',
    );
    expect(scrubFailure('acme: failed', url, false)).toBe('***: failed');
    expect(scrubFailure('redis: acme is not redis', url, true)).toBe('redis: acme is not redis');
    expect(scrubFailure('the redis backend failed: acme failed', url, true)).toBe('the redis backend failed: *** failed');
  });

  it('leaves a message without secrets as it was', () => {
    expect(scrubUrl('connect ECONNREFUSED 127.0.0.1:1', 'redis://127.0.0.1:1/1?fair=true')).toBe('connect ECONNREFUSED 127.0.0.1:1');
    const url = 'redis://h?prefix=a';
    expect(scrubUrl('a name that is not a', url)).toBe('*** name that is not ***');
    expect(scrubUrl('unknown option "prefxi"; known are prefix, fair', url)).toBe('unknown option "prefxi"; known are prefix, fair');
  });
});
