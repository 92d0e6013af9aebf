import type { Readable } from 'node:stream';
import type { StartedTestContainer } from 'testcontainers';
import type { ControlSignal, LaunchPlan, ServerRunner, ServerSpec } from './server-spec.js';

// testcontainers takes most of a second to load, so only those who need it load it.
const testcontainers = () => import('testcontainers');

/** What this file needs of a container of the engine's client; testcontainers itself neither pauses nor signals. */
interface EngineContainer {
  start(): Promise<unknown>;
  kill(options: { signal: string }): Promise<unknown>;
  wait(): Promise<unknown>;
  logs(options: { follow: false; stdout: true; stderr: true }): Promise<Buffer | Readable>;
}

/** Where the official images keep their data: their entry points hand this directory to the server's own user. */
const DIRECTORY = '/data';

/** Signals every process of the container but the first and those of this script itself. */
const SIGNAL_OTHERS = `
for directory in /proc/[0-9]*; do
  pid=\${directory#/proc/}
  [ "$pid" = 1 ] || [ "$pid" = $$ ] || kill -"$1" "$pid" 2>/dev/null
done
true
`;

/** True when testcontainers finds an engine that answers. */
export async function containerEngineAnswers(): Promise<boolean> {
  try {
    await (await testcontainers()).getContainerRuntimeClient();
    return true;
  } catch {
    return false;
  }
}

/**
 * A network that several server containers share, with the same ports inside and outside: so the address that a cluster node
 * announces is right for its peers and for the tests, and a server keeps its port over a restart.
 */
export class ContainerNetwork {
  readonly #anchor: StartedTestContainer;

  private constructor(anchor: StartedTestContainer) {
    this.#anchor = anchor;
  }

  static async create(spec: ServerSpec, image: string, ports: readonly number[]): Promise<ContainerNetwork> {
    const { GenericContainer, Wait } = await testcontainers();
    const anchor = await new GenericContainer(image)
      .withEntrypoint(['sh'])
      .withCommand(['-c', 'echo anchored; exec tail -f /dev/null'])
      // The image's own port is of no use, but Podman names it among the ports to bind, and testcontainers then waits for it.
      .withExposedPorts(spec.imagePort, ...ports.map((port) => ({ container: port, host: port })))
      .withWaitStrategy(Wait.forLogMessage('anchored'))
      .start();
    return new ContainerNetwork(anchor);
  }

  get mode(): string {
    return `container:${this.#anchor.getId()}`;
  }

  async close(): Promise<void> {
    await this.#anchor.stop({ timeout: 0 });
  }
}

/** A server run in a container. The engine's reaper removes it when this process dies without closing it. */
export class ContainerRunner implements ServerRunner {
  readonly source = 'container';
  readonly pid = undefined;
  readonly #spec: ServerSpec;
  readonly #image: string;
  readonly #plan: LaunchPlan;
  readonly #network: ContainerNetwork;
  #started: { readonly container: StartedTestContainer; readonly engine: EngineContainer } | null = null;
  #running: Promise<void> | null = null;

  constructor(spec: ServerSpec, image: string, plan: LaunchPlan, network: ContainerNetwork) {
    this.#spec = spec;
    this.#image = image;
    this.#plan = plan;
    this.#network = network;
  }

  get isRunning(): boolean {
    return this.#running !== null;
  }

  async start(): Promise<void> {
    if (this.#started) {
      await this.#started.engine.start();
    } else {
      const { GenericContainer, getContainerRuntimeClient } = await testcontainers();
      const files = Object.entries(this.#plan.files).map(([name, content]) => ({ content, target: `${DIRECTORY}/${name}`, mode: 0o666 }));
      const container = await new GenericContainer(this.#image)
        .withNetworkMode(this.#network.mode)
        .withWorkingDir(DIRECTORY)
        .withCopyContentToContainer(files)
        .withEnvironment(this.#plan.container?.environment ?? {})
        .withCommand(this.#plan.container?.command.slice() ?? [this.#spec.launcher ?? this.#spec.binary, ...this.#plan.args(DIRECTORY)])
        .start();
      const client = await getContainerRuntimeClient();
      this.#started = { container, engine: client.container.getById(container.getId()) };
    }
    const running = this.#started.engine.wait().then(
      () => {},
      () => {},
    );
    this.#running = running;
    void running.then(() => {
      if (this.#running === running) this.#running = null;
    });
  }

  async signal(signal: ControlSignal): Promise<void> {
    if (!this.#started || !this.#running) throw new Error(`${this.#spec.title} does not run, so it cannot be sent ${signal}`);
    await this.#started.engine.kill({ signal });
    if (signal === 'SIGKILL') await this.ended();
    // The engine signals the first process; that one's end is the end of all, but it does not stop them.
    if (this.#spec.hasChildren && (signal === 'SIGSTOP' || signal === 'SIGCONT')) {
      await this.#started.container.exec(['sh', '-c', SIGNAL_OTHERS, 'holdfast', signal.slice(3)]);
    }
  }

  async ended(): Promise<void> {
    await this.#running;
    this.#running = null;
  }

  async log(): Promise<string> {
    const logs = await this.#started?.engine.logs({ follow: false, stdout: true, stderr: true });
    return Buffer.isBuffer(logs) ? readFrames(logs) : '';
  }

  async dispose(): Promise<void> {
    if (this.#running) await this.signal('SIGKILL').catch(() => {});
    await this.#started?.container.stop({ timeout: 0 });
  }
}

/** An engine's log comes in frames: a stream number, three empty bytes, the length in four bytes, the text. */
function readFrames(log: Buffer): string {
  let text = '';
  for (let at = 0; at + 8 <= log.length; ) {
    const end = at + 8 + log.readUInt32BE(at + 4);
    text += log.toString('utf8', at + 8, end);
    at = end;
  }
  return text;
}
