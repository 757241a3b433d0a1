/**
 * Which program serves the editor. Decisions only: what exists on the machine is asked through {@link Machine},
 * so that every rule here can be tested without one.
 */
import { type Bundle, hasWheelsFor, type Setup, setupFor } from "../environment/bundle";
import { type Answer, type Interpreter, unfit } from "../environment/interpreter";
import { installedPython } from "../environment/make";
import { noPython, noServer, settingFails, type Trouble } from "../environment/trouble";
import { type Candidate, type Place, permits, programsOnPath, pythonsOnPath, settled, workspacePythons } from "./place";

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

/** The questions that only the machine can answer. */
export interface Machine {
  /** Interpreters chosen in the Python extension; none where it is not installed. */
  selectedInterpreters: () => Promise<readonly string[]>;
  ask: (command: string, args: readonly string[]) => Promise<Answer>;
  isExecutable: (file: string) => Promise<boolean>;
  /** The path of a file with every link followed. */
  followed: (file: string) => Promise<string>;
}

/** The launch to use and what must be set up for it, or what is in the way. */
export type Resolution =
  | { readonly found: true; readonly launch: Launch; readonly setup?: Setup }
  | { readonly found: false; readonly trouble: Trouble };

/**
 * Finds the server.
 *
 * A setting binds: when it does not work, nothing else is tried, and a server that is installed there goes before the
 * bundled one. Otherwise the bundled server runs on the first interpreter that it has wheels for: the Python
 * extension's, a `.venv` of the workspace, then `PATH`; and only if there is none, on the first one of which it needs an
 * installation over the network. Without a bundle the same places are searched for an installed server.
 *
 * In an untrusted workspace no file inside a workspace folder is ever started, whoever named it, and no link to one.
 */
export async function resolve(place: Place, machine: Machine, bundle?: Bundle): Promise<Resolution> {
  const named = settled(place);
  if (named !== undefined && (await permits(place, named, machine.followed))) {
    return fromSetting(place, named, await machine.ask(named, []), bundle);
  }
  const chosen = (await machine.selectedInterpreters()).map(
    (command): Candidate => ({ source: "python extension", command, args: [] }),
  );
  const near = await permitted(place, machine, [...chosen, ...workspacePythons(place)]);
  return bundle === undefined ? installed(place, machine, near) : bundled(place, machine, near, bundle);
}

/** Whether two launches start the same program in the same way. */
export function sameLaunch(left: Launch | undefined, right: Launch | undefined): boolean {
  return (
    left?.command === right?.command &&
    left?.modules === right?.modules &&
    left?.args.join("\0") === right?.args.join("\0")
  );
}

function fromSetting(place: Place, named: string, answer: Answer, bundle: Bundle | undefined): Resolution {
  const clause = answer.ok ? unfit(answer.interpreter) : answer.clause;
  if (!answer.ok || clause !== undefined) {
    return { found: false, trouble: settingFails(clause ?? "") };
  }
  if (answer.interpreter.hasServer) {
    return { found: true, launch: moduleLaunch("setting", named) };
  }
  return bundle === undefined
    ? { found: false, trouble: settingFails(`apo-language-server is not installed in ${named}`) }
    : onInterpreter(place, "setting", answer.interpreter, bundle);
}

async function installed(place: Place, machine: Machine, near: readonly Candidate[]): Promise<Resolution> {
  for (const { source, command } of near) {
    const answer = await machine.ask(command, []);
    if (answer.ok && answer.interpreter.hasServer && unfit(answer.interpreter) === undefined) {
      return { found: true, launch: moduleLaunch(source, command) };
    }
  }
  for (const command of programsOnPath(place)) {
    if ((await permits(place, command, machine.followed)) && (await machine.isExecutable(command))) {
      return { found: true, launch: { source: "PATH", command, args: [] } };
    }
  }
  return { found: false, trouble: noServer() };
}

async function bundled(
  place: Place,
  machine: Machine,
  near: readonly Candidate[],
  bundle: Bundle,
): Promise<Resolution> {
  const clauses: string[] = [];
  let needsNetwork: Resolution | undefined;
  for await (const { source, command, args } of everyCandidate(place, machine, near)) {
    const answer = await machine.ask(command, args);
    const clause = answer.ok ? unfit(answer.interpreter) : undefined;
    if (clause !== undefined) {
      clauses.push(clause);
    }
    if (answer.ok && clause === undefined && (await permits(place, answer.interpreter.command, machine.followed))) {
      const resolution = onInterpreter(place, source, answer.interpreter, bundle);
      if (hasWheelsFor(bundle, answer.interpreter)) {
        return resolution;
      }
      needsNetwork ??= resolution;
    }
  }
  return needsNetwork ?? { found: false, trouble: noPython(clauses) };
}

/** Only what exists on `PATH` is asked; what the Python extension names may be a command. */
async function* everyCandidate(
  place: Place,
  machine: Machine,
  near: readonly Candidate[],
): AsyncGenerator<Candidate, void> {
  yield* near;
  for (const candidate of pythonsOnPath(place)) {
    if ((await permits(place, candidate.command, machine.followed)) && (await machine.isExecutable(candidate.command))) {
      yield candidate;
    }
  }
}

async function permitted(
  place: Place,
  { followed }: Machine,
  candidates: readonly Candidate[],
): Promise<readonly Candidate[]> {
  const allowed = await Promise.all(candidates.map(async ({ command }) => permits(place, command, followed)));
  return candidates.filter((_, index) => allowed[index]);
}

function onInterpreter(place: Place, source: Source, interpreter: Interpreter, bundle: Bundle): Resolution {
  const setup = setupFor(bundle, interpreter);
  const launch =
    setup.kind === "unpack"
      ? { ...moduleLaunch(source, interpreter.command), modules: setup.folder }
      : moduleLaunch(source, installedPython(setup.folder, place.platform));
  return { found: true, launch, setup };
}

function moduleLaunch(source: Source, interpreter: string): Launch {
  return { source, command: interpreter, args: ["-P", "-m", "apo_server"] };
}
