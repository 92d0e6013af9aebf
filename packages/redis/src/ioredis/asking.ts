import type { IoredisDriverClient } from './ioredis-client.js';

/**
 * Hears how a node of a cluster answers ASKING, which ioredis sends before a command for a slot on its way there, and whose answer ioredis
 * leaves to nobody: where the user may not send ASKING, or the connection has just gone, that would end the process. The command behind ASKING is
 * answered with the reason.
 */
export function hearAsking(node: IoredisDriverClient): void {
  const asking = node.asking?.bind(node);
  if (asking === undefined) return;
  node.asking = () => {
    const answer = asking();
    answer.catch(() => {});
    return answer;
  };
}
