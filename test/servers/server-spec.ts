/** Where a server came from. `apt` installs a binary first, so that its handles say 'binary'. */
export type ServerSource = 'address' | 'binary' | 'container';

/** What has to be known of one kind of server to find it anywhere. */
export interface ServerSpec {
  /** For messages. */
  readonly title: string;
  /** The program that is looked for on PATH and in `directories`. */
  readonly binary: string;
  /** Environment variable with the address of a server that runs already; null where such a one cannot serve. */
  readonly addressVariable: string | null;
  /** Environment variable that names another image than `image`. */
  readonly imageVariable: string;
  /** null where a container cannot serve. */
  readonly image: string | null;
  /** The port that the image exposes by itself. */
  readonly imagePort: number;
  readonly debianPackage: string;
  /** Where the package puts programs though PATH does not name it; a `*` stands for one part of the path, the highest version wins. */
  readonly directories?: readonly string[] | undefined;
  /** What is run instead of `binary`, which then only shows that the package is there: `sh`, for a script among the plan's files. */
  readonly launcher?: string | undefined;
  /** The program refuses to run as root: for root it is run as the first of these users that there is. */
  readonly users?: readonly string[] | undefined;
  /** It has processes of its own, which are stopped, continued and killed with it. */
  readonly hasChildren?: boolean | undefined;
}

export interface PreparingCommand {
  readonly program: string;
  readonly args: readonly string[];
}

/** One process of a server: what to run, and how to see that it answers. */
export interface LaunchPlan {
  /** Written into the server's own directory before the first start; the key is a plain file name. */
  readonly files: Readonly<Record<string, string | Buffer>>;
  /** Arguments of the program; a container gets the same ones, with its own directory, unless `container` says otherwise. */
  readonly args: (directory: string) => readonly string[];
  /** Variables of its environment beside ours, for a program of this machine. */
  readonly environment?: Readonly<Record<string, string>> | undefined;
  /** Programs to run before the first start, as the same user; an image prepares itself. */
  readonly prepare?: ((directory: string) => Promise<readonly PreparingCommand[]>) | undefined;
  readonly container?: { readonly command: readonly string[]; readonly environment: Readonly<Record<string, string>> } | undefined;
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
