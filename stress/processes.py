"""The price processes that scenarios may name, by the type of their parameters."""

from types import ModuleType

from stress.scenarios import gbm, student_t

PROCESSES: dict[type, ModuleType] = {gbm.Gbm: gbm, student_t.StudentT: student_t}
