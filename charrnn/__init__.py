"""charrnn: learn a text one character at a time, and write more like it, in NumPy.

The way of the data is the layout: ``text`` → ``nn`` → ``optim`` → ``training`` → ``checkpoint`` → ``sampling``, with
``layers`` for other people's arrays and ``cli`` at the door.

The public names are those of ``__all__``. Each is loaded when it is first asked for, so that the command's help needs
no NumPy.
"""

from importlib import import_module

from charrnn.version import __version__

TYPE_CHECKING = False  # that of `typing`, which takes milliseconds to load
if TYPE_CHECKING:
    from charrnn.checkpoint import Checkpoint, load, save
    from charrnn.config import SampleConfig, TrainConfig
    from charrnn.errors import CharRNNError
    from charrnn.exchange.json import from_json
    from charrnn.exchange.pytorch import from_torch, to_torch
    from charrnn.exchange.safetensors import from_safetensors
    from charrnn.gradcheck import check_layer
    from charrnn.layers import GRU, LSTM, Dropout, Embedding, Linear, Stack, Vanilla, softmax_cross_entropy
    from charrnn.nn.embedding import one_hot
    from charrnn.nn.gru import GRUState
    from charrnn.nn.lstm import LSTMState
    from charrnn.nn.model import CharRNN
    from charrnn.nn.output import log_softmax
    from charrnn.nn.parameters import Parameters
    from charrnn.nn.vanilla import VanillaState
    from charrnn.optim.clipping import clip_norm, clip_value, global_norm
    from charrnn.optim.optimizers import SGD, Adagrad, Adam, RMSProp
    from charrnn.optim.schedules import learning_rate
    from charrnn.paths import PRETRAINED
    from charrnn.report.plot import draw_losses
    from charrnn.sampling.filters import Filters
    from charrnn.sampling.sampler import sample
    from charrnn.sampling.writing import Writer, sample_text
    from charrnn.text.corpus import read_corpus, split
    from charrnn.text.vocabulary import Vocabulary, tokenize
    from charrnn.training.evaluation import Evaluator
    from charrnn.training.events import Evaluated, StepReport
    from charrnn.training.start import resume_run, resume_training, start_run, start_training
    from charrnn.training.trainer import Trainer

__all__ = [  # noqa: RUF022 - in the plain order of `sorted`
    "Adagrad",
    "Adam",
    "CharRNN",
    "CharRNNError",
    "Checkpoint",
    "Dropout",
    "Embedding",
    "Evaluated",
    "Evaluator",
    "Filters",
    "GRU",
    "GRUState",
    "LSTM",
    "LSTMState",
    "Linear",
    "PRETRAINED",
    "Parameters",
    "RMSProp",
    "SGD",
    "SampleConfig",
    "Stack",
    "StepReport",
    "TrainConfig",
    "Trainer",
    "Vanilla",
    "VanillaState",
    "Vocabulary",
    "Writer",
    "__version__",
    "check_layer",
    "clip_norm",
    "clip_value",
    "draw_losses",
    "from_json",
    "from_safetensors",
    "from_torch",
    "global_norm",
    "learning_rate",
    "load",
    "log_softmax",
    "one_hot",
    "read_corpus",
    "resume_run",
    "resume_training",
    "sample",
    "sample_text",
    "save",
    "softmax_cross_entropy",
    "split",
    "start_run",
    "start_training",
    "to_torch",
    "tokenize",
]

# Where each is, as the imports above have it.
_HOMES = {
    "charrnn.paths": ("PRETRAINED",),
    "charrnn.checkpoint": ("Checkpoint", "load", "save"),
    "charrnn.errors": ("CharRNNError",),
    "charrnn.exchange.json": ("from_json",),
    "charrnn.exchange.pytorch": ("from_torch", "to_torch"),
    "charrnn.exchange.safetensors": ("from_safetensors",),
    "charrnn.gradcheck": ("check_layer",),
    "charrnn.layers": ("softmax_cross_entropy", "Dropout", "Embedding", "Linear", "GRU", "LSTM", "Vanilla", "Stack"),
    "charrnn.nn.embedding": ("one_hot",),
    "charrnn.nn.gru": ("GRUState",),
    "charrnn.nn.output": ("log_softmax",),
    "charrnn.nn.lstm": ("LSTMState",),
    "charrnn.nn.model": ("CharRNN",),
    "charrnn.nn.parameters": ("Parameters",),
    "charrnn.nn.vanilla": ("VanillaState",),
    "charrnn.optim.clipping": ("clip_norm", "clip_value", "global_norm"),
    "charrnn.optim.optimizers": ("SGD", "Adagrad", "Adam", "RMSProp"),
    "charrnn.optim.schedules": ("learning_rate",),
    "charrnn.report.plot": ("draw_losses",),
    "charrnn.config": ("SampleConfig", "TrainConfig"),
    "charrnn.sampling.filters": ("Filters",),
    "charrnn.sampling.sampler": ("sample",),
    "charrnn.sampling.writing": ("Writer", "sample_text"),
    "charrnn.text.corpus": ("read_corpus", "split"),
    "charrnn.text.vocabulary": ("tokenize", "Vocabulary"),
    "charrnn.training.evaluation": ("Evaluator",),
    "charrnn.training.events": ("Evaluated", "StepReport"),
    "charrnn.training.start": ("resume_run", "resume_training", "start_run", "start_training"),
    "charrnn.training.trainer": ("Trainer",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


if not TYPE_CHECKING:  # so that a type checker finds a mistyped name

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(_HOME[name]), name)
        globals()[name] = value  # from now on it is found without this function
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
