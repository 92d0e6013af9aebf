/** Where a server came from. `apt` installs a binary first, so that its handles say 'binary'. */
export type ServerSource = 'address' | 'binary' | 'container';

/** What has to be known of one kind of server to find it anywhere. */
export interface ServerSpec {
  /** For messages. */
  readonly title: string;
  /** The program that is looked for on PATH. */
  readonly binary: string;
  /** Environment variable with the address of a server that runs already. */
  readonly addressVariable: string;
  /** Environment variable that names another image than `image`. */
  readonly imageVariable: string;
  readonly image: string;
  /** The port that the image exposes by itself. */
  readonly imagePort: number;
  readonly debianPackage: string;
}

/** One process of a server: what to run, and how to see that it answers. */
export interface LaunchPlan {
  /** Written into the server's own directory before the first start; the key is a plain file name. */
  readonly files: Readonly<Record<string, string>>;
  /** Arguments of the program; a container gets the same ones, with its own directory. */
  readonly args: (directory: string) => readonly string[];
  /** All ports on 127.0.0.1 that it listens on. */
  readonly ports: readonly number[];
  readonly isReady: () => Promise<boolean>;
}

export type ControlSignal = 'SIGSTOP' | 'SIGCONT' | 'SIGTERM' | 'SIGKILL';

/** How one server process is driven, on this machine or in a container. The handle on top keeps the state. */
export interface ServerRunner {
  readonly source: ServerSource;
  /** undefined while it does not run, and where the process is not one of this machine. */
  readonly pid: number | undefined;
  readonly isRunning: boolean;
  /** Starts the process, the first time or again after its end, with the same files and ports. */
  start(): Promise<void>;
  /** Resolves when the signal has had its effect; SIGTERM alone resolves as soon as it is sent. */
  signal(signal: ControlSignal): Promise<void>;
  /** Resolves when the process is gone, at once if it does not run. */
  ended(): Promise<void>;
  log(): Promise<string>;
  /** Ends the process without asking and leaves nothing behind. */
  dispose(): Promise<void>;
}
