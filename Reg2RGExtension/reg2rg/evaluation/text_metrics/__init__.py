"""Word overlap with the reference: BLEU, ROUGE, METEOR and CIDEr, with the definitions of the published tables.

wordnet  the WordNet and Punkt resources on this machine
bleu, rouge, meteor, cider
nlg      all of them, per text and for the corpus, as tables
"""
