"""Other people's files on the disk: importing them into recipes, and writing them from recipes.

What the files mean is known to ``redraft_dsl.davidbau``, which needs neither torch nor this
package. Here are the parts that do: finding the model, and writing files whole or not at all.
"""
