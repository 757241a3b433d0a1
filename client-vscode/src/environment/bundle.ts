/** The server that the extension carries: its wheels, and where it is unpacked. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import path from "node:path";

import type { Interpreter } from "./interpreter";

/** The wheels of the extension, for one platform. */
export interface Bundle {
  /** The platform of the wheels, such as `linux-x64`. */
  readonly target: string;
  /** The versions of CPython that there are wheels for, such as `3.12`. */
  readonly pythons: readonly string[];
  /** File name of the server's own wheel, which fits every Python. */
  readonly serverWheel: string;
  /** The folder of the wheels. */
  readonly wheels: string;
  /** The folder in which environments are made. */
  readonly environments: string;
  /** Tells this set of wheels from every other. */
  readonly stamp: string;
  /** Tells the embedded model that goes with the server from every other. */
  readonly model: string;
}

/**
 * How an environment comes about: from the wheels alone, or with what pip finds on the network. That of the embedded
 * model holds nothing else, and goes beside one of the others.
 */
export interface Setup {
  readonly kind: "unpack" | "install" | "model";
  readonly interpreter: Interpreter;
  readonly folder: string;
}

/** The bundle that the extension at `extensionPath` carries; undefined where it was packaged without. */
export async function readBundle(extensionPath: string, version: string, storage: string): Promise<Bundle | undefined> {
  const wheels = path.join(extensionPath, "wheels");
  const text = await readFile(path.join(wheels, "manifest.json"), "utf8").catch(() => undefined);
  return text === undefined ? undefined : bundleOf(text, version, wheels, path.join(storage, "environments"));
}

/** The bundle that a manifest describes; undefined where it is none. */
export function bundleOf(manifest: string, version: string, wheels: string, environments: string): Bundle | undefined {
  const { target, pythons, model, wheels: listed } = JSON.parse(manifest) as Partial<Manifest>;
  const serverWheel = listed?.find(({ file }) => file.startsWith("apo_language_server-"))?.file;
  if (target === undefined || pythons === undefined || model === undefined || serverWheel === undefined) {
    return undefined;
  }
  const stamp = `${version}-${createHash("sha256").update(manifest).digest("hex").slice(0, 8)}`;
  return { target, pythons, serverWheel, wheels, environments, stamp, model: model.slice(0, 8) };
}

/** Whether every wheel that `interpreter` needs is there. */
export function hasWheelsFor(bundle: Bundle, { target, version, tag, lzma }: Interpreter): boolean {
  const usual = `cpython-${version.replace(".", "")}`;
  return target === bundle.target && tag === usual && lzma && bundle.pythons.includes(version);
}

/** How the environment for `interpreter` comes about, and where it is. */
export function setupFor(bundle: Bundle, interpreter: Interpreter): Setup {
  const kind = hasWheelsFor(bundle, interpreter) ? "unpack" : "install";
  // A virtual environment starts the interpreter that made it: another one must not find it made.
  const maker = createHash("sha256").update(interpreter.command).digest("hex").slice(0, 8);
  const name = `${bundle.stamp}-${interpreter.tag}${kind === "install" ? `-pip-${maker}` : ""}`;
  return { kind, interpreter, folder: path.join(bundle.environments, name) };
}

/** How the embedded model is installed for `interpreter`, and where. */
export function modelSetupFor(bundle: Bundle, interpreter: Interpreter): Setup {
  const folder = path.join(bundle.environments, `model-${bundle.model}-${interpreter.tag}`);
  return { kind: "model", interpreter, folder };
}

interface Manifest {
  readonly target: string;
  readonly pythons: readonly string[];
  readonly model: string;
  readonly wheels: readonly { readonly file: string }[];
}
