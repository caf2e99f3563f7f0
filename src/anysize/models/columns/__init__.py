"""How the cells of a table's row become the numbers that a network reads."""

from anysize.models.columns.settings import ColumnEncoding, TableEncoding

__all__ = ["ColumnEncoding", "TableEncoding"]
