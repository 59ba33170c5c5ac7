// The web process's JSON about working sets, as types. Nothing here runs.
import type { Json } from "./api";

/** What stands beside the versions of a data set. */
export interface Working {
  /** Samples can be added and taken away. */
  accepts: boolean;
  samples: number;
  bytes: number;
  revision: number;
  /** The revision that the newest version holds; 0: none does. */
  sealedRevision: number;
  /** Samples written after that. */
  notSealed: number;
}

export interface WorkingRow {
  /** Number of the journal's line that wrote it. */
  seq: number;
  key: string;
  split: string | null;
  label: string | null;
  labelText: string;
  group: string | null;
  bytes: number;
  sha256: string;
  metadata: Json;
  etag: string;
  time: string;
  by: string;
}

export interface WorkingPage {
  samples: WorkingRow[];
  total: number;
  position: number;
  next: string | null;
  revision: number;
}
