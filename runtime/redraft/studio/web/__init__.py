"""The server of the page: who may come in, what may be asked, and how pictures travel."""
