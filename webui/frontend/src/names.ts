// Names that the cluster knows, for texts that people copy. Mirrors blueno/names.py.
export const API_VERSION = "blueno.dev/v1alpha1";
export const KIND = "Dataset";
export const RESOURCE = "datasets.blueno.dev";
export const RUN_KIND = "TrainingRun";
export const RUN_RESOURCE = "trainingruns.blueno.dev";
export const ROLE_LABEL = "blueno.dev/role";
export const DATASET_LABEL = "blueno.dev/dataset";
export const RUN_LABEL = "blueno.dev/training-run";
export const REQUESTED_AT = "blueno.dev/requested-at";
