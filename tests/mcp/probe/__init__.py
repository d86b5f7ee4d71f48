"""A site whose tools write down what happens, to be started by real servers in processes of their own."""
