"""Metrics of word overlap: BLEU, ROUGE-L, METEOR, CIDEr."""
