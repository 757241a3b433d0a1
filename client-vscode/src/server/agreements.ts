/** Which interpreters of workspaces the user has agreed to run. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { access, constants, realpath, stat } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";

import type { Memento } from "vscode";

/** What the user has said about an interpreter. `missing`: there is no file that could be asked about. */
export type Agreement =
  { readonly state: "agreed" | "declined" | "missing" } | { readonly state: "open"; readonly identity: string };

const MEMORY = "apo.workspacePythons";
/** No interpreter is larger; reading a file that is would delay the start. */
const LARGEST_BYTES = 512 * 1024 * 1024;

interface Answer {
  readonly identity: string;
  readonly allowed: boolean;
}

/**
 * The user's answers, by path. Each holds for one identity of the file: another answer is needed after the launcher or
 * its `pyvenv.cfg` changes. They are kept in the user's own storage, where no workspace can write.
 */
export class Agreements {
  readonly #memory: Memento;

  constructor(memory: Memento) {
    this.#memory = memory;
  }

  async about(file: string): Promise<Agreement> {
    const identity = await identityOf(file);
    if (identity === undefined) {
      return { state: "missing" };
    }
    const answer = this.#answers()[file];
    if (answer?.identity !== identity) {
      return { state: "open", identity };
    }
    return { state: answer.allowed ? "agreed" : "declined" };
  }

  /** Keeps the answer to a question that was asked about `identity`. */
  async record(file: string, identity: string, allowed: boolean): Promise<void> {
    await this.#memory.update(MEMORY, { ...this.#answers(), [file]: { identity, allowed } satisfies Answer });
  }

  #answers(): Readonly<Record<string, Answer>> {
    return this.#memory.get<Record<string, Answer>>(MEMORY, {});
  }
}

/** A digest of the file's real path, its content, and the `pyvenv.cfg` that Python reads; undefined without a program to read. */
export async function identityOf(file: string): Promise<string | undefined> {
  const folder = path.dirname(file);
  const configurations = [folder, path.dirname(folder)].map((one) => path.join(one, "pyvenv.cfg"));
  try {
    await access(file, constants.X_OK);
    const parts = [await realpath(file), await digest(file)];
    for (const configuration of configurations) {
      parts.push((await exists(configuration)) ? await digest(configuration) : "");
    }
    return createHash("sha256").update(JSON.stringify(parts)).digest("hex");
  } catch {
    return undefined;
  }
}

/** The SHA-256 of a regular file. A device or a FIFO could be read forever: they are refused, and so are huge files. */
async function digest(file: string): Promise<string> {
  const status = await stat(file);
  if (!status.isFile() || status.size > LARGEST_BYTES) {
    throw new Error(`${file} is not a regular file of at most ${LARGEST_BYTES} bytes`);
  }
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
