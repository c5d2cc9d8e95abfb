"""Text from outside -> valid points.

In the order in which a text passes through them:

1. Bytes: ``text_conversion`` makes lines of them, ``codings`` tells an old coding, ``cell_rows`` makes lines of rows
   from queries and sheets.
   ``payloads`` and ``bodies`` take messages and requests, ``remote_write`` those of Prometheus.
2. Where the table begins, and what its columns are: ``table_search``, ``column_roles`` and ``column_layout``, from
   lines cut by ``cells``. ``number_form`` and ``time_form`` learn how a column writes its numbers and times,
   ``row_checks`` looks for sums at the end.
3. Readings: ``line_reader`` reads line by line. ``compiled_rows`` takes rows in bulk and leaves those it is not sure of
   to ``line_rules``; ``objects`` reads lines that name their values. They come as blocks, see ``row_block``, and
   ``bookmark`` keeps how far they were handed out.
4. Points: ``validation`` makes numbers and times of readings, by ``notation`` and ``time_text``. ``counter`` makes
   rates of totals.

``python_values`` and ``arrow_arrays`` take what Python programs hold in place of text.
"""
