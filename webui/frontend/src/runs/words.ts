// Words about a training run: how its status looks, what a person can do, its numbers. Pure.
import type { LastMetric, Objective, Run, RunProgress, RunState, RunSummary } from "../api-runs";
import { count, duration } from "../lib/format";
import type { Look } from "../ui/status";

export const STATES: readonly { value: RunState; text: string }[] = [
  { value: "pending", text: "Pending" },
  { value: "running", text: "Running" },
  { value: "suspended", text: "Suspended" },
  { value: "succeeded", text: "Succeeded" },
  { value: "failed", text: "Failed" },
];

export const over = (of: { state: RunState }): boolean => of.state === "succeeded" || of.state === "failed";

const KEPT_WITHIN = 120_000; // ms after its end: the recorder may have had to start anew, and then has waited

/** Whether more of its log and its numbers may come: the recorder keeps the last of them some time after the end. */
export const mayGrow = (of: Pick<Run, "state" | "endedAt">, now = Date.now()): boolean =>
  !over(of) || (of.endedAt !== null && now - Date.parse(of.endedAt) < KEPT_WITHIN);

// Pending reasons in which something is under way; with every other one the run waits for something else.
const UNDER_WAY = new Set(["Pending", "Starting", "PullingImage", "Restarting"]);

/** How a run's status looks. */
export function standing(of: Pick<RunSummary, "state" | "reason" | "stalled">): Look {
  if (of.reason === "Cancelled") return { tone: "idle", icon: "minus" };
  if (of.state === "failed") return { tone: "bad", icon: "error" };
  if (of.state === "succeeded") return { tone: "ok", icon: "check" };
  if (of.stalled) return { tone: "bad", icon: "error" };
  if (of.state === "suspended") return { tone: "idle", icon: "pause" };
  if (of.state === "running") return { tone: "busy", icon: "busy" };
  return UNDER_WAY.has(of.reason) ? { tone: "busy", icon: "busy" } : { tone: "warn", icon: "clock" };
}

// What a person can do; the run's own message says what is the case. A reason without an entry needs nothing.
const ADVICE: Record<string, string> = {
  DatasetNotReady: "Look at the data set: the run starts by itself as soon as it has a sealed version.",
  NoSealedVersion: "Seal the data set that the message names: the run starts by itself afterwards.",
  DatasetVersionNotFound: "Make a new run with a version that the data set's page lists, or with none.",
  CheckpointNotReady: "The run that checkpoint.from names has to report a checkpoint first; look at it.",
  Queued: "Its queue has no room yet; it starts by itself. Wait, or suspend another run of this queue.",
  Preempted: "A pod with a higher priority took its place. It starts again by itself when there is room.",
  WaitingForQuota: "Wait for other runs to end, suspend one of them, or have the namespace's quota raised.",
  InsufficientGPU: "Wait, suspend another run, or make a new run with fewer GPUs or another product.",
  Unschedulable: "Make a new run with smaller resources or another nodeSelector, or wait for a node that fits.",
  ScalingUp: "A node is being added; this takes some minutes.",
  VolumeUnbound: "The claim that the message names has to exist and be bound; look at it and at its storage class.",
  VolumeNotShared: "Make a new run on one node, or the data set anew on a ReadWriteMany volume.",
  ImagePullFailed: "Check the image's name and its pull Secrets. It is tried again until it works.",
  NodeLost: "Its node does not answer. The message says by which command the run goes on.",
  Suspended: "Resume it: the next attempt goes on from the last checkpoint.",
  SetupFailed: "Correct what the message names (the outputs claim, or the code to be fetched), in a new run.",
  UserError: "Read the end of the log, correct the program, and make a new run.",
  OutOfMemory: "Make a new run with a higher resources.limits.memory or smaller batches.",
  DeadlineExceeded: "Make a new run with a longer activeDeadlineSeconds, or one that resumes from this one's checkpoint.",
  BackoffLimitExceeded: "Read the log of the last attempts: the program fails each time.",
  OutcomeLost: "The Job was deleted before it said how it ended. Make a new run.",
  NameConflict: "Delete or rename the object that the message names.",
  InvalidSpec: "Correct the field that the message names, in a new run.",
};

export const adviceFor = (reason: string): string | null =>
  Object.hasOwn(ADVICE, reason) ? (ADVICE[reason] as string) : null;

/** What the progress bar shows; null where no percentage is known or the run is over. */
export function shownProgress(of: Pick<RunSummary, "progress" | "state">): (RunProgress & { percentage: number }) | null {
  const percentage = of.progress?.percentage ?? null;
  if (percentage === null || !Number.isFinite(percentage) || over(of)) return null;
  return { percentage, estimatedRemainingSeconds: of.progress?.estimatedRemainingSeconds ?? null };
}

/** Last values, the objective first, the others as reported. */
export function orderedMetrics(metrics: readonly LastMetric[], objective: Objective | null): LastMetric[] {
  const first = metrics.filter((one) => one.name === objective?.name);
  return [...first, ...metrics.filter((one) => one.name !== objective?.name)];
}

const LONGEST_VALUE = 24;

/** A number with about four significant digits, as a chart's axis has it. */
export function numberText(value: number): string {
  const height = Math.abs(value);
  if (Number.isInteger(value) && height < 1e6) return String(value);
  const rounded = Number(value.toPrecision(4));
  return height < 1e-4 || height >= 1e6 ? rounded.toExponential().replace("e+", "e") : String(rounded);
}

/** A reported value: short when it is a number, else its beginning. */
export function metricText(value: string): string {
  const number = value.trim() === "" ? Number.NaN : Number(value);
  if (Number.isFinite(number)) return numberText(number);
  return value.length > LONGEST_VALUE ? `${value.slice(0, LONGEST_VALUE)}…` : value;
}

/** Seconds as hours: 5400 → "1.5". */
export function hoursText(seconds: number): string {
  const hours = seconds / 3600;
  if (hours > 0 && hours < 0.01) return "<0.01";
  if (hours >= 100) return count(hours);
  return String(Number(hours.toFixed(hours < 10 ? 2 : 1)));
}

/** GPU seconds as hours: 5400 → "1.5 GPU hours". */
export const gpuHours = (seconds: number): string => `${hoursText(seconds)} GPU hours`;

/** Whether it has had its nodes at all. */
export const had = (of: Pick<RunSummary, "wallSeconds" | "runningSince">): boolean =>
  of.wallSeconds > 0 || of.runningSince !== null;

/** How long it has had its nodes by now, in all attempts; "" when it never had. The same as in `blueno run ls`. */
export function ranFor(of: Pick<RunSummary, "wallSeconds" | "runningSince">, now: number): string {
  const since = of.runningSince === null ? now : Date.parse(of.runningSince);
  const seconds = of.wallSeconds + Math.max(0, now - since) / 1000;
  return seconds > 0 ? duration(seconds) : "";
}

/** Why a run ended as it did, besides its message: "exit code 1 in pod digits-1-0". */
export function failureText(failure: NonNullable<Run["failure"]>): string {
  const code = failure.exitCode === null || failure.exitCode === undefined ? "" : `exit code ${failure.exitCode}`;
  return [code, failure.pod ? `pod ${failure.pod}` : ""].filter(Boolean).join(", ");
}

/** Who undoes what is changed here, when somebody does. */
export function keeper(managedBy: string | null): string | null {
  return managedBy && /^(argo ?cd|flux)/i.test(managedBy) ? managedBy : null;
}
