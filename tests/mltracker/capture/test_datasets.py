"""Dataset.of: composites, tensors, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_iris

import mltracker
from mltracker import Dataset, InvalidValue

X, Y = np.arange(6.0).reshape(3, 2), np.array([0, 1, 0])


def digest(data: Any) -> str:
    return Dataset.of(data).hash


def test_several_pieces() -> None:
    dataset = Dataset.of((X, Y))
    assert dataset.name == "tuple"
    assert dataset.parameters["items"] == 2
    assert [part["shape"] for part in dataset.parameters["parts"]] == [[3, 2], [3]]
    assert digest([X, Y]) == dataset.hash
    others = [[Y, X], [X], [X, Y, Y], [[X, Y]], [X, [Y]], {"X": X, "y": Y}, {"X": X, "z": Y}, [X, Y.astype("f8")]]
    assert len({digest(each) for each in [*others, (X, Y)]}) == len(others) + 1


def test_the_order_of_keys_does_not_count() -> None:
    assert digest({"a": X, "b": Y, 1: None}) == digest({1: None, "b": Y, "a": X})
    assert digest({"a": X}) != digest({"b": X}) != digest({"a": X, "b": None})


@settings(deadline=None)
@given(st.lists(st.integers() | st.floats() | st.text() | st.none() | st.booleans(), max_size=8), st.integers(0, 8))
def test_lists_of_plain_values(values: list[Any], at: int) -> None:
    assert digest(values) == digest(tuple(values))
    assert digest([*values[:at], "one more", *values[at:]]) != digest(values)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with two files and a folder in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.csv").write_text("1")
    (tmp_path / "test.csv").write_text("2")
    (tmp_path / "cat").mkdir()
    return tmp_path


@pytest.mark.parametrize("prefix", ["", "./", "{here}/"])
def test_texts_written_as_paths_are_paths_where_all_of_them_are(here: Path, prefix: str) -> None:
    train, test = (prefix.format(here=here) + name for name in ("train.csv", "test.csv"))
    before = digest([train, test])
    assert before == digest([Path(train), Path(test)]) != digest([test, train])
    assert digest({"train": train}) == digest({"train": Path(train)})
    Path(test).write_text("3")
    assert digest([train, test]) != before
    Path(test).unlink()
    with pytest.raises(InvalidValue, match=r"test\.csv' does not.*pathlib\.Path"):
        digest([train, test])
    Path(train).unlink()
    assert Dataset.of([train, test]).parameters == {"kind": "sequence", "items": 2}


def test_other_texts_are_data(here: Path) -> None:
    for words in (["dog", "cat"], ["."], ["/"], ["..", ""], ["train.csv", "a word"], ["a\0b", "x" * 5000]):
        assert "parts" not in Dataset.of(words).parameters
        assert digest(words) != digest([*words, "one more"])
    with pytest.raises(InvalidValue, match="these texts also name files"):
        digest(["cat", "cat"])
    assert digest(np.array(["cat", "cat"])) != digest(np.array(["cat", "dog"]))


def test_a_bunch_is_its_data_not_its_description() -> None:
    bunch = load_iris()
    before = digest(bunch)
    bunch["DESCR"], bunch["filename"] = "another", "elsewhere"
    assert digest(bunch) == before
    bunch.data[0, 0] += 1
    assert digest(bunch) != before


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (3, "the content of a int is not known"),
        (None, "the content of a NoneType is not known"),
        (iter([1]), "a list_iterator can be read only once"),
        ({1, 2}, r"a set has no order\. Give sorted"),
        (object(), "the content of a object is not known.*Give the arrays"),
        ([X, object()], r"data\[1\]: the content of a object"),
        ({"a": [1, object()]}, r"data\['a'\]\[1\]: "),
        (pd.DataFrame({"a": [object()]}), r"data\['a'\]: holds a object"),
    ],
)
def test_what_has_no_content_is_refused(data: object, why: str) -> None:
    with pytest.raises(InvalidValue, match=why):
        Dataset.of(data)


def test_nesting_has_an_end() -> None:
    endless: list[Any] = [X]
    endless.append(endless)
    with pytest.raises(InvalidValue, match="nesting beyond 64"):
        Dataset.of(endless)


def test_sparse_matrices() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    dense = np.array([[0.0, 1.0], [2.0, 0.0]])
    forms = [sparse.csr_matrix(dense), sparse.csc_matrix(dense), sparse.coo_array(dense), sparse.lil_matrix(dense)]
    forms.append(sparse.coo_matrix(([2.0, 0.5, 0.5, 0.0], ([1, 0, 0, 0], [0, 1, 1, 0]))))
    forms.append(sparse.csr_matrix(([0.0, 1.0, 2.0], [1, 1, 0], [0, 2, 3]), shape=(2, 2)))
    assert len({digest(each) for each in forms}) == 1
    assert digest(forms[0]) != digest(sparse.csr_matrix(dense * 2)) != digest(dense)


def test_the_facts_can_be_recorded(store: Path, tmp_path: Path) -> None:
    dataset = Dataset.of({"x": X, "frame": pd.DataFrame({"a": [1]}), "files": [tmp_path]})
    with mltracker.open(store) as tracker:
        aggregate = tracker.experiments.create("a").aggregates.create("1")
        aggregate.iterations.add(mltracker.Iteration("h", dataset=dataset))
        (found,) = aggregate.iterations.list()
        assert found.dataset == dataset


class TestTorch:
    """Tensors and the datasets made of them."""

    @pytest.fixture(autouse=True)
    def _torch(self) -> None:
        pytest.importorskip("torch", reason="torch is not installed")

    def test_layout_and_autograd_do_not_count(self) -> None:
        import torch

        values = torch.arange(12.0).reshape(3, 4)
        same = [values.t().contiguous().t(), values.clone().requires_grad_(), torch.cat([values, values])[3:]]
        same.append(torch.complex(values, values).conj().real)
        assert {digest(each) for each in same} == {digest(values)}
        others = [values.double(), values.reshape(4, 3), values + 1, values.numpy(), values.half(), values.bfloat16()]
        assert len({digest(each) for each in others} | {digest(values)}) == 7

    @pytest.mark.parametrize(
        "name", ["bfloat16", "float8_e4m3fn", "float8_e5m2", "uint16", "bool", "complex64", "int8"]
    )
    def test_every_dtype(self, name: str) -> None:
        import torch

        values = torch.tensor([0, 1, 1, 0]).to(getattr(torch, name))
        assert digest(values) == digest(values[[3, 1, 2, 0]])
        assert digest(values) != digest(values[[1, 0, 2, 3]])

    def test_sparse_and_unreadable(self) -> None:
        import torch

        dense = torch.tensor([[0.0, 1.0], [2.0, 0.0]])
        assert digest(dense.to_sparse()) == digest(dense.to_sparse().clone()) != digest((dense * 2).to_sparse())
        with pytest.raises(InvalidValue, match="meta tensor"):
            digest(torch.zeros(2, device="meta"))

    def test_datasets(self) -> None:
        import torch
        from torch.utils.data import ConcatDataset, DataLoader, Dataset, Subset, TensorDataset

        whole = TensorDataset(torch.arange(4), torch.zeros(4))
        different = [whole, Subset(whole, [0, 1]), Subset(whole, [1, 0]), ConcatDataset([whole, whole])]
        different.append(TensorDataset(torch.arange(4), torch.ones(4)))
        assert len({digest(each) for each in different}) == len(different)
        assert digest(Subset(whole, torch.tensor([0, 1]))) == digest(different[1])
        assert digest(DataLoader(whole, batch_size=2)) == digest(whole)
        assert mltracker.Dataset.of(whole).parameters["items"] == 4

        class Own(Dataset[int]): ...

        with pytest.raises(InvalidValue, match="the content of a Own is not known"):
            digest(Own())
