import { runCli } from '../src/cli/run-cli.js';
import { Output } from '../src/cli/output.js';

/** What the command line says, kept instead of written. */
class CapturedOutput extends Output {
  printed = '';
  told = '';

  override print(text: string): void {
    this.printed += `${text}\n`;
  }

  override tell(message: string): void {
    this.told += `${message}\n`;
  }
}

/** The command line in this process, for what needs no process of its own: no signals, no store that stays open. */
export async function callCli(
  args: readonly string[],
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const output = new CapturedOutput();
  const code = await runCli(args, output);
  return { code, stdout: output.printed, stderr: output.told };
}
