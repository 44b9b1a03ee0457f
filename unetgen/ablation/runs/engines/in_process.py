"""Execute trials one after the other in the caller's process, for debuggers and notebooks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from unetgen.ablation.runs.engines.engine import Event, MetricsReported, TrialFinished, TrialSubmitted
from unetgen.ablation.runs.execution import execute_trial_in_process
from unetgen.ablation.runs.trial import Trial


class InProcessEngine:
    """An engine without workers: breakpoints, profilers and Ctrl-C reach the trials.

    A trial that raises is recorded as by any engine; one that ends the process ends the run.
    """

    def run_trials(self, trials: Sequence[Trial]) -> Iterator[Event]:
        """Yield the events of the trials; see Engine. A trial's reports follow when it has ended.

        Raises:
            KeyboardInterrupt: On Ctrl-C during a trial, or if a debugger is quit there.
        """
        for trial in trials:
            yield from self._run_trial(trial)

    def _run_trial(self, trial: Trial) -> Iterator[Event]:
        reports: list[MetricsReported] = []
        yield TrialSubmitted(trial)
        try:
            result = execute_trial_in_process(
                trial, lambda step, metrics: reports.append(MetricsReported(trial, step, metrics))
            )
        finally:  # of an interrupted trial too: its next attempt may continue from a checkpoint
            yield from reports
        yield TrialFinished(trial, result)
