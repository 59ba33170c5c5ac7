// The web process's JSON about training runs, as types. Nothing here runs; endpoints-runs.ts says which address
// answers with what.
import type { Condition, Json } from "./api";

export type RunState = "pending" | "running" | "suspended" | "succeeded" | "failed";

export interface RunProgress {
  percentage: number | null;
  estimatedRemainingSeconds: number | null;
}

/** A last value as the run reported it: text, because it may be anything. */
export interface LastMetric {
  name: string;
  value: string;
}

export interface Objective {
  name: string;
  direction: string;
}

export interface UsedDataset {
  name: string;
  /** The version that was pinned when the run started; null before that. */
  digest: string | null;
}

export interface RunSummary {
  uid: string;
  namespace: string;
  name: string;
  state: RunState;
  reason: string;
  message: string;
  stalled: boolean;
  suspended: boolean;
  progress: RunProgress | null;
  metrics: LastMetric[];
  objective: Objective | null;
  datasets: UsedDataset[];
  parameters: { [name: string]: Json };
  /** Of all nodes together. */
  gpus: number;
  nodes: string[];
  numNodes: number;
  gpuSeconds: number | null;
  /** In which it had its nodes, of attempts that are over. */
  wallSeconds: number;
  /** While it runs. */
  runningSince: string | null;
  attempt: number;
  restarts: number;
  queue: string | null;
  startedAt: string | null;
  endedAt: string | null;
  managedBy: string | null;
  createdAt: string;
  changedAt: string;
}

export interface Pending {
  reason: string;
  message: string;
  since: string | null;
}

export interface Checkpoint {
  path: string;
  step: number | null;
  time: string | null;
}

export interface Failure {
  reason: string | null;
  exitCode: number | null;
  pod: string | null;
  lastLines: string[] | null;
}

export interface Run extends RunSummary {
  /** Since when it is gone from the cluster; null while it is there. From a header, not from the JSON. */
  deletedAt: string | null;
  pending: Pending | null;
  conditions: Condition[];
  image: string;
  imageDigest: string | null;
  codeRevision: string | null;
  command: string[] | null;
  args: string[] | null;
  outputs: { claimName: string; path: string } | null;
  checkpoint: Checkpoint | null;
  failure: Failure | null;
  jobName: string | null;
  spec: Json;
}

/** [step, time, value]; a value that is no number (a diverged loss) is null. */
export type MetricPoint = [step: number | null, at: string, value: number | null];

export interface MetricSeries {
  name: string;
  points: MetricPoint[];
}

export interface Metrics {
  /** All names there are, not only those asked for. */
  names: string[];
  series: MetricSeries[];
}

/** Bytes [from, to) that were not kept. */
export interface Gap {
  from: number;
  to: number;
}

/** The log of one pod of one attempt. */
export interface LogPart {
  attempt: number;
  pod: string;
  bytes: number;
  complete: boolean;
  gap: Gap | null;
}

/** Something that a run has written. Names are printable: other bytes are written \xNN, a backslash \\. */
export interface OutputEntry {
  name: string;
  /** Links are never followed; other: pipes, sockets, devices. */
  kind: "file" | "directory" | "link" | "other";
  bytes: number | null;
  modified: string | null;
}

/** Bytes [first, next) of a part. */
export interface LogText {
  parts: LogPart[];
  attempt: number | null;
  pod: string | null;
  text: string;
  first: number;
  next: number;
  complete: boolean;
}
