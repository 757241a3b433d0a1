/** What is started to serve the editor. */
import { type Bundle, type Setup, setupFor } from "../environment/bundle";
import type { Interpreter } from "../environment/interpreter";
import { installedPython } from "../environment/make";
import type { Trouble } from "../environment/trouble";
import type { Candidate, Place } from "./place";

/** Where a launch comes from, in the order in which the sources are tried. */
export type Source = Candidate["source"];

/** A program to start, with its arguments. */
export interface Launch {
  readonly source: Source;
  readonly command: string;
  readonly args: readonly string[];
  /** The folder that Python imports from first; undefined where the server is installed in the interpreter. */
  readonly modules?: string;
}

/** The launch to use, and what must be set up for it. */
export interface Found {
  readonly found: true;
  readonly launch: Launch;
  readonly setup?: Setup;
  /** Whether it rests on an agreement, which each start checks anew. */
  readonly agreed?: boolean;
}

/** The server, or what is in the way. */
export type Resolution = Found | { readonly found: false; readonly trouble: Trouble };

/** Whether two launches start the same program in the same way. */
export function sameLaunch(left: Launch | undefined, right: Launch | undefined): boolean {
  return (
    left?.command === right?.command &&
    left?.modules === right?.modules &&
    left?.args.join("\0") === right?.args.join("\0")
  );
}

/** The bundled server on an interpreter. */
export function onInterpreter(place: Place, source: Source, interpreter: Interpreter, bundle: Bundle): Found {
  const setup = setupFor(bundle, interpreter);
  const launch =
    setup.kind === "unpack"
      ? { ...moduleLaunch(source, interpreter.command), modules: setup.folder }
      : moduleLaunch(source, installedPython(setup.folder, place.platform));
  return { found: true, launch, setup };
}

/** The server that is installed in an interpreter. */
export function moduleLaunch(source: Source, interpreter: string): Launch {
  return { source, command: interpreter, args: ["-P", "-m", "apo_server"] };
}
