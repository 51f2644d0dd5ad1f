"""Ranking without halves: all fields of all candidates gathered, one network over the batch.

As numpy with ONNX Runtime in float32, and as torch eager; one thread each.
"""

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from schemas.layout import raw_numbers
from tests.benchmarks.bench_scorer.model import BenchModel, Floats


class PlainPath:
    """Scores of whole inputs [n] the way that most serving systems compute them."""

    def __init__(self, model: BenchModel) -> None:
        self._model = model
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            model.whole_onnx(), options, providers=["CPUExecutionProvider"]
        )
        torch.set_num_threads(1)
        layers: list[torch.nn.Module] = []
        for weight, bias in ((model.arrays.w1, model.arrays.b1), *model.dense):
            layer = torch.nn.Linear(*weight.shape)
            layer.weight.data = torch.from_numpy(np.ascontiguousarray(weight.T))
            layer.bias.data = torch.from_numpy(bias)
            layers += [layer, torch.nn.ReLU()]
        self._network = torch.nn.Sequential(*layers[:-1])
        self._table = torch.from_numpy(model.arrays.table)
        self._number_weights = torch.from_numpy(model.arrays.number_weights)
        self._mean = torch.from_numpy(model.arrays.mean)
        self._std = torch.from_numpy(model.arrays.std)

    def numpy_onnx(self, samples: NDArray[np.void]) -> Floats:
        """Logits [n]: numpy gathers, ONNX Runtime computes the network."""
        arrays = self._model.arrays
        table, request_ids, ad_ids = arrays.table, samples["request_ids"], samples["ad_ids"]
        request_rows, ad_rows = table.take(request_ids, axis=0), table.take(ad_ids, axis=0)
        parts = (request_rows, self._pooled(samples), ad_rows)
        rows = np.concatenate(parts, axis=1)
        numbers = (raw_numbers(samples) - arrays.mean) / arrays.std
        embeddings = rows[:, :, 1:]
        sums = embeddings.sum(axis=1)
        logits = rows[:, :, 0].sum(axis=1) + numbers @ arrays.number_weights + arrays.bias
        logits += 0.5 * ((sums**2).sum(axis=1) - (embeddings**2).sum(axis=(1, 2)))
        inputs = np.concatenate((embeddings.reshape(len(rows), -1), numbers), axis=1)
        network: Floats = self._session.run(None, {"inputs": inputs})[0]
        total: Floats = logits + network
        return total

    def torch_eager(self, samples: NDArray[np.void]) -> Floats:
        """Logits [n]: everything in torch."""
        with torch.inference_mode():
            pooled = torch.from_numpy(self._pooled(samples))
            request_ids, ad_ids = (
                torch.from_numpy(samples[name].copy()) for name in ("request_ids", "ad_ids")
            )
            rows = torch.cat((self._table[request_ids], pooled, self._table[ad_ids]), dim=1)
            numbers = (torch.from_numpy(raw_numbers(samples)) - self._mean) / self._std
            embeddings = rows[:, :, 1:]
            sums = embeddings.sum(dim=1)
            logits = rows[:, :, 0].sum(dim=1) + numbers @ self._number_weights
            logits = logits + 0.5 * ((sums**2).sum(dim=1) - (embeddings**2).sum(dim=(1, 2)))
            inputs = torch.cat((embeddings.flatten(1), numbers), dim=1)
            total: Floats = (logits + self._network(inputs)[:, 0]).numpy()
            return total + np.float32(self._model.arrays.bias)

    def _pooled(self, samples: NDArray[np.void]) -> Floats:
        """The sequence of the user, the same for all samples: [n, 1, 1 + dim]."""
        table, sequence = self._model.arrays.table, samples["sequence"][0]
        known = sequence[sequence >= 0]
        row = table[known].sum(axis=0) / np.float32(max(1, len(known)))
        return np.broadcast_to(row, (len(samples), 1, len(row))).copy()
