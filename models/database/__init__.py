"""The one package that knows which database it is: transactions, statements, locks."""
