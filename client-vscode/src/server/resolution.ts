/**
 * Which program serves the editor. Decisions only: what exists on the machine is asked through {@link Machine},
 * so that every rule here can be tested without one.
 */
import { type Bundle, hasWheelsFor } from "../environment/bundle";
import { unfit } from "../environment/interpreter";
import { noPython, noServer, settingFails, workspacePython } from "../environment/trouble";
import { type Found, moduleLaunch, onInterpreter, type Resolution } from "./launch";
import type { Machine } from "./machine";
import { isOutsideProgram, leadsInside, located, nearby, permissionFor } from "./ownership";
import { type Candidate, type NamedPython, namedPythons, type Place, programsOnPath, pythonsOnPath } from "./place";

/**
 * Finds the server.
 *
 * A setting binds: when it does not work, nothing else is tried, and a server that is installed there goes before the
 * bundled one. Otherwise the bundled server runs on the first interpreter that it has wheels for: the Python
 * extension's, then `PATH`; and only if there is none, on the first one of which it needs an installation over the
 * network. Without a bundle the same places are searched for an installed server.
 *
 * An interpreter is the workspace's own if it lies in a workspace folder, links followed, or if a setting of the
 * workspace names it. It is started, also only to ask for its version, after the user agreed to exactly that file, by a
 * question or by naming it in the user settings. Such interpreters, and a `.venv` of the workspace, are searched only
 * when no other will do. An untrusted workspace's are never started, and nobody is asked about them.
 */
export async function resolve(place: Place, machine: Machine, bundle?: Bundle): Promise<Resolution> {
  for (const named of namedPythons(place)) {
    const resolution = await fromSetting(place, machine, named, bundle);
    if (resolution !== undefined) {
      return resolution;
    }
  }
  const near = await nearby(place, machine);
  const clauses: string[] = [];
  return (
    (await search(place, machine, outside(place, machine, near.outside, bundle), clauses, bundle)) ??
    (bundle === undefined ? await installedOnPath(place, machine) : undefined) ??
    (await searchWorkspace(place, machine, near.ofWorkspace, clauses, bundle)) ?? {
      found: false,
      trouble: bundle === undefined ? noServer() : noPython(clauses),
    }
  );
}

/** The server on what a setting names; undefined where that may not be started. */
async function fromSetting(
  place: Place,
  machine: Machine,
  named: NamedPython,
  bundle: Bundle | undefined,
): Promise<Resolution | undefined> {
  const command = await located(place, machine, named.command);
  const permission = await permissionFor(place, machine, { ...named, command });
  switch (permission.state) {
    case "declined":
      return undefined;
    case "missing":
      return { found: false, trouble: settingFails(`${command} does not exist`) };
    case "open":
      return { found: false, trouble: workspacePython(command, permission.identity) };
    case "agreed":
    case "free":
      break;
  }
  const mark = permission.state === "agreed" ? { agreed: true } : {};
  const answer = await machine.ask(command, []);
  const unusable = answer.ok ? unfit(answer.interpreter) : answer.clause;
  if (!answer.ok || unusable !== undefined) {
    return { found: false, trouble: settingFails(unusable ?? "") };
  }
  if (answer.interpreter.hasServer) {
    return { found: true, launch: moduleLaunch("setting", command), ...mark };
  }
  if (bundle === undefined) {
    return { found: false, trouble: settingFails(`apo-language-server is not installed in ${command}`) };
  }
  if (await leadsInside(place, machine, command, answer.interpreter)) {
    const clause = `${command} starts ${answer.interpreter.command}, another file of the workspace`;
    return { found: false, trouble: settingFails(clause) };
  }
  return { ...onInterpreter(place, "setting", answer.interpreter, bundle), ...mark };
}

/** The first interpreter that will do, those that need no network first; `clauses` takes up why others will not. */
async function search(
  place: Place,
  machine: Machine,
  candidates: AsyncIterable<Candidate> | readonly Candidate[],
  clauses: string[],
  bundle: Bundle | undefined,
): Promise<Found | undefined> {
  let needsNetwork: Found | undefined;
  for await (const { source, command, args } of candidates) {
    const answer = await machine.ask(command, args);
    const interpreter = answer.ok ? answer.interpreter : undefined;
    const clause = interpreter && unfit(interpreter);
    if (clause !== undefined) {
      clauses.push(clause);
    }
    if (interpreter === undefined || clause !== undefined) {
      continue;
    }
    if (bundle === undefined) {
      if (interpreter.hasServer) {
        return { found: true, launch: moduleLaunch(source, command) };
      }
      continue;
    }
    if (await leadsInside(place, machine, command, interpreter)) {
      continue;
    }
    const resolution = onInterpreter(place, source, interpreter, bundle);
    if (hasWheelsFor(bundle, interpreter)) {
      return resolution;
    }
    needsNetwork ??= resolution;
  }
  return needsNetwork;
}

/** The workspace's own interpreters: those that the user agreed to, or else a question about the first of the others. */
async function searchWorkspace(
  place: Place,
  machine: Machine,
  candidates: readonly Candidate[],
  clauses: string[],
  bundle: Bundle | undefined,
): Promise<Resolution | undefined> {
  const agreed: Candidate[] = [];
  let question: Resolution | undefined;
  for (const candidate of candidates) {
    const agreement = await machine.agreement(candidate.command);
    if (agreement.state === "agreed") {
      agreed.push(candidate);
    } else if (agreement.state === "open") {
      question ??= { found: false, trouble: workspacePython(candidate.command, agreement.identity) };
    } else if (agreement.state === "declined") {
      clauses.push(`you declined ${candidate.command}, which runs if apo.python in your user settings names it`);
    }
  }
  const found = await search(place, machine, agreed, clauses, bundle);
  return found === undefined ? question : { ...found, agreed: true };
}

/** The server's own program on `PATH`. */
async function installedOnPath(place: Place, machine: Machine): Promise<Resolution | undefined> {
  for (const command of programsOnPath(place)) {
    if (await isOutsideProgram(place, machine, command)) {
      return { found: true, launch: { source: "PATH", command, args: [] } };
    }
  }
  return undefined;
}

/** The interpreters outside the workspace; without a bundle, those of `PATH` are not asked whether they have the server. */
async function* outside(
  place: Place,
  machine: Machine,
  near: readonly Candidate[],
  bundle: Bundle | undefined,
): AsyncGenerator<Candidate, void> {
  yield* near;
  for (const candidate of bundle === undefined ? [] : pythonsOnPath(place)) {
    if (await isOutsideProgram(place, machine, candidate.command)) {
      yield candidate;
    }
  }
}
