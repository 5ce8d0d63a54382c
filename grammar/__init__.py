"""The grammar of the language, as data. `novaql.language.grammar` is its only reader."""
