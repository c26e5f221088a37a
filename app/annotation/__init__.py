"""What annotators are given to judge: pairs are sampled ahead, leased, and blinded."""
