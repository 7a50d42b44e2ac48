"""Laws of the transformer: pre-norm blocks, no look ahead, a gradient for every weight."""

import numpy as np
import pytest

from tinytorch.core.autograd import no_grad
from tinytorch.core.losses import cross_entropy
from tinytorch.core.transformer import GPT, TransformerBlock

TOKENS = np.random.default_rng(0).integers(11, size=(2, 6))


def model(seed=0, **changes):
    sizes = {"vocab_size": 11, "embed_dim": 8, "num_layers": 2, "num_heads": 2, "max_seq_len": 9}
    return GPT(**(sizes | changes), rng=np.random.default_rng(seed))


def test_a_block_is_two_residual_steps():
    """x + attention(ln1(x)), then x + mlp(ln2(x)), by the block's own parts."""
    block = TransformerBlock(8, 2)
    x = np.random.default_rng(0).normal(size=(2, 5, 8)).astype(np.float32)
    middle = x + block.attention(block.ln1(x)).numpy()
    expected = middle + block.mlp(block.ln2(middle)).numpy()
    np.testing.assert_array_equal(block(x).numpy(), expected)


def test_block_gradients(check_gradient):
    """The gradient goes through both residual paths."""
    block = TransformerBlock(4, 2)
    for parameter in block.parameters():
        parameter.data = parameter.data.astype(np.float64)
    check_gradient(block, np.random.default_rng(0).normal(size=(2, 3, 4)))


def test_the_parameters_are_those_of_the_formula():
    """12 d^2 + 13 d a block, beside the tables, the last norm and the head without bias."""
    V, d, L, S = 11, 8, 2, 9
    assert model().count_parameters() == (V + S) * d + L * (12 * d * d + 13 * d) + 2 * d + d * V
    names = [name for name, _ in model().named_parameters()]
    assert "blocks.1.attention.q_proj.weight" in names
    assert "blocks.0.mlp.layers.2.bias" in names


def test_logits_see_no_future():
    """Changing token 3 changes the logits from 3 on, and no earlier ones."""
    gpt, changed = model(), TOKENS.copy()
    changed[0, 3] = (changed[0, 3] + 1) % 11
    differs = (gpt(TOKENS).numpy() != gpt(changed).numpy()).any(axis=-1)
    assert differs[0].tolist() == [False] * 3 + [True] * 3
    assert not differs[1].any()


def test_positions_matter():
    """The same token twice has two predictions."""
    logits = model()([[4, 4]]).numpy()
    assert abs(logits[0, 0] - logits[0, 1]).max() > 1e-3


def test_every_parameter_gets_a_gradient():
    """Only keys' biases have one of 0: they shift all scores of a query alike."""
    gpt = model()
    cross_entropy(gpt(TOKENS), TOKENS).backward()
    for name, parameter in gpt.named_parameters():
        assert parameter.grad is not None, name
        if not name.endswith("k_proj.bias"):
            assert abs(parameter.grad).max() > 1e-7, name


def test_a_generator_fixes_the_weights():
    """Equal seeds give equal weights, others do not."""
    first, second, third = (model(seed)(TOKENS).numpy() for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, second)
    assert (first != third).any()


def test_the_first_loss_is_that_of_guessing():
    """The starting weights favour no token: the loss is near log(vocab_size)."""
    gpt = model(vocab_size=50, embed_dim=32)
    tokens = np.random.default_rng(0).integers(50, size=(8, 9))
    assert cross_entropy(gpt(tokens), tokens).item() == pytest.approx(np.log(50), abs=0.3)


@pytest.mark.parametrize(
    ("tokens", "error", "message"),
    [
        ([1, 2], ValueError, r"tokens of shape \(B, T\) with T >= 1, got \(2,\)"),
        (np.zeros((2, 0), int), ValueError, r"got \(2, 0\)"),
        (np.zeros((1, 10), int), ValueError, "at most 9 positions, got 10"),
        ([[11]], ValueError, "tokens from 0 to 10, got 11"),
        ([[1.0]], TypeError, "integer tokens"),
    ],
)
def test_tokens_that_do_not_fit_are_refused(tokens, error, message):
    """Shape, length, range and type each have a message of their own."""
    with no_grad(), pytest.raises(error, match=message):
        model()(tokens)


def test_settings():
    """repr is the call; sizes are checked."""
    assert repr(model()) == "GPT(11, 8, 2, 2, 9)"
    with pytest.raises(ValueError, match="num_layers of at least 1"):
        model(num_layers=0)
    with pytest.raises(ValueError, match="embed_dim a multiple of 3"):
        model(num_heads=3)


def test_save_and_load(tmp_path):
    """All blocks are in the state."""
    gpt, other = model(0), model(1)
    gpt.save(tmp_path / "gpt.npz")
    other.load(tmp_path / "gpt.npz")
    np.testing.assert_array_equal(other(TOKENS).numpy(), gpt(TOKENS).numpy())
