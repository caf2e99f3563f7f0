"""Attention over cached keys and values, in products of matrices where that is faster.

Attention of a step is two products with a softmax between them: torch's own kernel took 1.4 times
as long for 32 rows (a processor without AMX). It is so in bfloat16 for prompts, too, except with
AMX, where torch's kernel takes half of the time. Some of a prompt's queries are attended to at a
time, which see no keys but those up to the last of them.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from anysize.models.processor import has_tiles

# Queries of a prompt that are attended to at a time, fewer where they see many keys.
_QUERIES = 128
_SCORES = 1 << 18


class Span(NamedTuple):
    """Some queries of a part that are attended to together.

    Attributes:
        begin, end: of the queries in their part.
        seen: keys of the row that the last of them sees.
        mask: added to scores, ``[queries, seen]``; None where all of them are seen.
    """

    begin: int
    end: int
    seen: int
    mask: Tensor | None


def spans_of(start: int, count: int, dtype: torch.dtype) -> list[Span]:
    """How a part's queries are attended to, some at a time.

    Args:
        start: place of the part's first token in its row.
        count: its tokens.
        dtype: of the scores.
    """
    found: list[Span] = []
    begin = 0
    while begin < count:
        most = max(min(_QUERIES, _SCORES // (start + begin + 1)), 16)
        end = min(begin + most, count)
        mask = None
        if end - begin > 1:
            mask = torch.full((end - begin, start + end), -torch.inf, dtype=dtype)
            mask.triu_(start + begin + 1)
        found.append(Span(begin, end, start + end, mask))
        begin = end
    return found


def attended(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    """What queries ``[key_heads, groups, tokens, size]`` see of keys ``[key_heads, seen, size]``.

    Returns:
        As the queries.
    """
    heads, groups, count, size = query.shape
    if query.dtype is not torch.bfloat16 or has_tiles():
        shared, given = (each[:, None].expand(-1, groups, -1, -1) for each in (keys, values))
        return functional.scaled_dot_product_attention(query, shared, given, attn_mask=mask)
    flat = (query * size**-0.5).reshape(heads, groups * count, size)
    scores = torch.bmm(flat, keys.transpose(1, 2)).view(heads, groups, count, -1)
    if mask is not None:
        scores += mask
    chances = torch.softmax(scores, 3).view(heads, groups * count, -1)
    return torch.bmm(chances, values).view(heads, groups, count, size)


def seen_by_each(
    query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, found: Tensor
) -> None:
    """What one token of each row sees of the row, for each head of the keys of each row.

    Args:
        query: ``[rows * key_heads, groups, size]``, multiplied with the scale of the scores.
        keys: ``[rows * key_heads, seen, size]``, without gaps.
        values: the same.
        mask: added to scores, ``[rows * key_heads, 1, seen]``; None where all keys are seen.
        found: takes what is seen, as the queries.
    """
    scores = _scores(query, keys)
    if mask is not None:
        scores += mask
    torch.bmm(torch.softmax(scores, 2), values, out=found)


def _scores(query: Tensor, keys: Tensor) -> Tensor:
    """``[rows, groups, seen]`` of few queries ``[rows, groups, size]`` and many keys.

    oneDNN lays out the second matrix of a product anew. Without AMX that is worth it: rows of the
    first are what it multiplies by, one after another (0.8 of the time on Zen 4). With AMX, where
    the keys were first when it was measured, they still are.
    """
    if has_tiles():
        return torch.bmm(keys, query.transpose(1, 2)).transpose(1, 2).contiguous()
    return torch.bmm(query, keys.transpose(1, 2))
