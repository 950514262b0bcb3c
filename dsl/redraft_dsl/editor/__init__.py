"""The language server: what an editor shows of a recipe while it is written.

It needs pygls, which comes with ``redraft[lsp]``; nothing else of the language imports this
package. The model list and the reader of checkpoint heads are handed in, so that this package
stays without torch.
"""
