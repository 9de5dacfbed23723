"""The price processes that scenarios may name, by the type of their parameters."""

from types import ModuleType

from stress.scenarios import (
    bootstrap,
    fhs,
    garch,
    gbm,
    hawkes,
    kou,
    merton,
    regime,
    replay,
    student_t,
    t_copula,
)

PROCESSES: dict[type, ModuleType] = {
    gbm.Gbm: gbm,
    student_t.StudentT: student_t,
    t_copula.TCopula: t_copula,
    merton.Merton: merton,
    kou.Kou: kou,
    hawkes.Hawkes: hawkes,
    garch.Garch: garch,
    regime.Regime: regime,
    bootstrap.Bootstrap: bootstrap,
    fhs.Fhs: fhs,
    replay.Replay: replay,
}
