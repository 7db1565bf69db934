# Looks, with the rope in place: behind one that has fired there is nothing to see.
rope_holds
measure 9<&-
