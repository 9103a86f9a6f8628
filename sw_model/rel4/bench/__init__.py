"""The experiment: workloads, sweeps, their results, and the published figures beside them."""
