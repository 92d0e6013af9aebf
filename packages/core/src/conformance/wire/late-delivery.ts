import { eventually } from '../expectations.js';
import type { LateDelivery } from '../harness.js';
import type { TcpProxy } from './tcp-proxy.js';

/** The fault `deliverLate` on the wire: over each of the proxies through which the manager under test reaches the store. */
export function lateDelivery(proxies: readonly TcpProxy[]): LateDelivery {
  for (const proxy of proxies) proxy.hold();
  return {
    taken: () => eventually('a request is on its way over each connection', () => proxies.every((proxy) => proxy.held > 0)),
    async cut() {
      for (const proxy of proxies) {
        proxy.pass();
        proxy.cutClients();
      }
    },
    async deliver() {
      await Promise.all(proxies.map((proxy) => proxy.deliver()));
    },
  };
}
